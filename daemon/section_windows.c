#include "section_windows.h"

#include <winternl.h>

enum { SECTION_BASIC_INFORMATION_CLASS = 0 };

NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE section, int class, void *found,
                                       SIZE_T size, SIZE_T *returned);

bool section_query(HANDLE handle, struct section_information *found)
{
    return NtQuerySection(handle, SECTION_BASIC_INFORMATION_CLASS, found,
                          sizeof(*found), NULL) >= 0;
}
