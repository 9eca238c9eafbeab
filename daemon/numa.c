#include "numa.h"

#include "protocol.h"

#include <stdio.h>

/* The last node of those that follow each other from this one on. */
static unsigned last_of(unsigned node)
{
    while (node < PROTOCOL_NODE_MAX && numa_has(node + 1))
        node++;
    return node;
}

void numa_write(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned node = 0; node <= PROTOCOL_NODE_MAX && used < size; node++) {
        const char *comma = used > 0 ? "," : "";
        unsigned first = node;

        if (!numa_has(node))
            continue;
        node = last_of(node);
        used += (size_t)(node > first ? snprintf(text + used, size - used,
                                                 "%s%u-%u", comma, first, node)
                                      : snprintf(text + used, size - used,
                                                 "%s%u", comma, first));
    }
}
