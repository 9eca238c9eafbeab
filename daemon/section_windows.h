/*
 * What Windows tells of a section.
 */
#ifndef SEGBROKER_SECTION_WINDOWS_H
#define SEGBROKER_SECTION_WINDOWS_H

#include <stdbool.h>
#include <windows.h>

/* SECTION_BASIC_INFORMATION. */
struct section_information {
    void *base;
    ULONG attributes; /* SEC_... */
    LARGE_INTEGER size;
};

/* False for what is no section, or gives no right to ask. */
bool section_query(HANDLE handle, struct section_information *found);

#endif
