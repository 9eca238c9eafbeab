#include "numa.h"

#include "protocol.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

bool numa_has(unsigned node)
{
    unsigned long nodes[(PROTOCOL_NODE_MAX + 1) / WORD_BITS] = {0};

    if (node > PROTOCOL_NODE_MAX ||
        syscall(SYS_get_mempolicy, NULL, nodes, PROTOCOL_NODE_MAX + 1, NULL,
                MPOL_F_MEMS_ALLOWED) < 0)
        return false;
    return (nodes[node / WORD_BITS] >> node % WORD_BITS) & 1;
}

/* KiB behind a word of the node's figures; 0 when it is not there. */
static unsigned long long figure(const char *figures, const char *word)
{
    const char *at = strstr(figures, word);

    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

uint64_t numa_available(unsigned node)
{
    char text[4096];
    ssize_t got = -1;
    int fd;

    snprintf(text, sizeof(text), "/sys/devices/system/node/node%u/meminfo",
             node);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[got < 0 ? 0 : got] = '\0';
    /* Files that nobody uses make room. */
    return (figure(text, " MemFree:") + figure(text, " Inactive(file):")) *
           1024;
}
