#include "numa.h"

#include <windows.h>

/* Another node's memory does as well here. */
uint64_t numa_available(unsigned node)
{
    (void)node;
    return UINT64_MAX;
}

bool numa_has(unsigned node)
{
    ULONG highest;

    return GetNumaHighestNodeNumber(&highest) && node <= highest;
}
