/*
 * filemapping: the calls of CreateFileMapping over the broker of this host.
 *
 * A program written for Windows moves to POSIX with one changed include:
 *
 *     cc -DSEGB_WIN32_NAMES program.c $(pkg-config --cflags --libs segbroker)
 *
 *     #include <filemapping.h>     in place of     #include <windows.h>
 *
 * Every call is there with the prefix Seg; SEGB_WIN32_NAMES gives them the
 * plain names too. On Windows this header includes <windows.h>, the plain names
 * are Windows' own, and only those with Seg go through the broker. There, too,
 * handles of these calls are good for these calls alone.
 *
 * Results are Windows': NULL, FALSE or INVALID_HANDLE_VALUE where a call fails,
 * and SegGetLastError tells why. segb_last_detail (segbroker.h) has the
 * broker's own sentence. What cannot be honoured fails with
 * ERROR_NOT_SUPPORTED, and is never ignored.
 *
 * Names: "x" and "Local\x" are the segment "x" of the calling user, in all of
 * the user's sessions; "Global\x" is "global/x", for the whole host, which the
 * administrator's rules allow or not. They are case-sensitive, have at most
 * 200 bytes with "global/", and no control characters. A name with another
 * backslash is ERROR_PATH_NOT_FOUND; "Local\" alone, or a local name that
 * begins with "global/", ERROR_INVALID_NAME; one that is too long
 * ERROR_FILENAME_EXCED_RANGE. "" makes an unnamed mapping. ANSI strings are
 * UTF-8, wide ones UTF-16: ERROR_NO_UNICODE_TRANSLATION where they are not.
 *
 * Errors of the broker: ERROR_SERVICE_NOT_ACTIVE (none serves),
 * ERROR_NOT_ENOUGH_QUOTA, ERROR_COMMITMENT_LIMIT (the host's memory),
 * ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_TOO_MANY_OPEN_FILES,
 * ERROR_TIMEOUT, ERROR_BUSY (too many requests); ERROR_GEN_FAILURE where it
 * went away during the call, which may have been carried out or not.
 *
 * The process connects (to where segb_connect with NULL does) with its first
 * mapping, and disconnects when the last handle of one is closed. Threads may
 * call at once. After fork the child has its parent's views and none of its
 * handles: these are ERROR_INVALID_HANDLE there; it makes a connection of its
 * own.
 */
#ifndef SEGBROKER_FILEMAPPING_H
#define SEGBROKER_FILEMAPPING_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32

#include <windows.h>

#else

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types, as wide as on Windows ---- */

typedef void *HANDLE;
typedef HANDLE *LPHANDLE;
typedef int BOOL;
typedef uint8_t BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
typedef void VOID;
typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef char CHAR;
typedef char *LPSTR;
typedef const char *LPCSTR;
/* Of UTF-16: u"text" is one of these, and so is L"text" where the compiler is
 * told -fshort-wchar. */
#if defined(__cplusplus) && __cplusplus >= 201103L
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
typedef WCHAR *LPWSTR;
typedef const WCHAR *LPCWSTR;

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef struct _MEMORY_BASIC_INFORMATION {
    PVOID BaseAddress;
    PVOID AllocationBase;
    DWORD AllocationProtect;
    WORD PartitionId;
    SIZE_T RegionSize;
    DWORD State;
    DWORD Protect;
    DWORD Type;
} MEMORY_BASIC_INFORMATION, *PMEMORY_BASIC_INFORMATION;

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)

/* ---- constants, with Windows' values ---- */

#define PAGE_READONLY 0x02
#define PAGE_READWRITE 0x04
#define PAGE_WRITECOPY 0x08
#define PAGE_EXECUTE_READ 0x20
#define PAGE_EXECUTE_READWRITE 0x40
#define PAGE_EXECUTE_WRITECOPY 0x80

#define SEC_IMAGE 0x01000000
#define SEC_RESERVE 0x04000000
#define SEC_COMMIT 0x08000000
#define SEC_NOCACHE 0x10000000
#define SEC_IMAGE_NO_EXECUTE 0x11000000
#define SEC_WRITECOMBINE 0x40000000
#define SEC_LARGE_PAGES 0x80000000U

#define FILE_MAP_COPY 0x00000001
#define FILE_MAP_WRITE 0x00000002
#define FILE_MAP_READ 0x00000004
#define FILE_MAP_EXECUTE 0x00000020
#define FILE_MAP_ALL_ACCESS 0x000f001f
#define FILE_MAP_LARGE_PAGES 0x20000000
#define FILE_MAP_TARGETS_INVALID 0x40000000
#define FILE_MAP_RESERVE 0x80000000U

#define DUPLICATE_CLOSE_SOURCE 0x00000001
#define DUPLICATE_SAME_ACCESS 0x00000002

#define MEM_COMMIT 0x00001000
#define MEM_MAPPED 0x00040000

#define ERROR_SUCCESS 0
#define NO_ERROR 0
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_PATH_NOT_FOUND 3
#define ERROR_TOO_MANY_OPEN_FILES 4
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_INVALID_DATA 13
#define ERROR_BAD_LENGTH 24
#define ERROR_GEN_FAILURE 31
#define ERROR_NOT_SUPPORTED 50
#define ERROR_INVALID_PARAMETER 87
#define ERROR_DISK_FULL 112
#define ERROR_INVALID_NAME 123
#define ERROR_BUSY 170
#define ERROR_ALREADY_EXISTS 183
#define ERROR_FILENAME_EXCED_RANGE 206
#define ERROR_INVALID_ADDRESS 487
#define ERROR_FILE_INVALID 1006
#define ERROR_SERVICE_NOT_ACTIVE 1062
#define ERROR_NO_UNICODE_TRANSLATION 1113
#define ERROR_SHUTDOWN_IN_PROGRESS 1115
#define ERROR_MAPPED_ALIGNMENT 1132
#define ERROR_INTERNAL_ERROR 1359
#define ERROR_NO_SYSTEM_RESOURCES 1450
#define ERROR_COMMITMENT_LIMIT 1455
#define ERROR_TIMEOUT 1460
#define ERROR_NOT_ENOUGH_QUOTA 1816

#ifdef __cplusplus
}
#endif

/* ---- the plain names, which Windows has ---- */

#ifdef SEGB_WIN32_NAMES

#include <string.h>

#define WINAPI

#define CreateFileMappingA SegCreateFileMappingA
#define CreateFileMappingW SegCreateFileMappingW
#define OpenFileMappingA SegOpenFileMappingA
#define OpenFileMappingW SegOpenFileMappingW
#define MapViewOfFile SegMapViewOfFile
#define MapViewOfFileEx SegMapViewOfFileEx
#define UnmapViewOfFile SegUnmapViewOfFile
#define FlushViewOfFile SegFlushViewOfFile
#define VirtualQuery SegVirtualQuery
#define CloseHandle SegCloseHandle
#define DuplicateHandle SegDuplicateHandle
#define GetCurrentProcess SegGetCurrentProcess
#define GetLargePageMinimum SegGetLargePageMinimum
#define GetLastError SegGetLastError
#define SetLastError SegSetLastError

#define CopyMemory memcpy
#define MoveMemory memmove
#define FillMemory(to, size, byte) memset(to, byte, size)
#define ZeroMemory(to, size) memset(to, 0, size)

#ifdef UNICODE
typedef WCHAR TCHAR;
typedef LPWSTR LPTSTR;
typedef LPCWSTR LPCTSTR;
#define SEGB_TEXT_(text) u##text
#define CreateFileMapping SegCreateFileMappingW
#define OpenFileMapping SegOpenFileMappingW
#else
typedef CHAR TCHAR;
typedef LPSTR LPTSTR;
typedef LPCSTR LPCTSTR;
#define SEGB_TEXT_(text) text
#define CreateFileMapping SegCreateFileMappingA
#define OpenFileMapping SegOpenFileMappingA
#endif
#define TEXT(text) SEGB_TEXT_(text)

#endif

#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* ---- mappings ---- */

/*
 * A handle to a new mapping, or to the one of that name: then
 * SegGetLastError is ERROR_ALREADY_EXISTS, the size is *its* size, and
 * `protect` is what this handle may. Else SegGetLastError is 0.
 *
 * `file`: INVALID_HANDLE_VALUE for memory, which is rounded up to pages and
 * needs a size; or a handle from SegFileHandle, whose size is not rounded, and
 * 0 is the whole file (ERROR_FILE_INVALID: it is empty). A file that is smaller
 * grows where it is mapped for writing (ERROR_DISK_FULL: it cannot); else that
 * is ERROR_NOT_ENOUGH_MEMORY.
 *
 * `attributes`: NULL, or without security descriptor and inheritance, which are
 * ERROR_NOT_SUPPORTED. Who else may open a name of the host is the
 * administrator's to say ([access ...] in segbroker.conf).
 *
 * `protect`: one PAGE_... of the six. It holds for the handle, not for the
 * mapping: another handle may have more, where the broker lets its owner. With
 * SEC_COMMIT (as without) memory is there when the call returns; with
 * SEC_RESERVE it comes at the first touch, without VirtualAlloc; for a file
 * neither makes a difference. SEC_LARGE_PAGES goes with SEC_COMMIT, for memory
 * of a size that is a multiple of SegGetLargePageMinimum; the broker has the
 * privilege, and the caller needs none: ERROR_NO_SYSTEM_RESOURCES where too few
 * large pages are free, ERROR_NOT_SUPPORTED where the host has none. SEC_IMAGE,
 * and SEC_NOCACHE and SEC_WRITECOMBINE with SEC_COMMIT or SEC_RESERVE are
 * ERROR_NOT_SUPPORTED. PAGE_EXECUTE_...: whether the kernel
 * maps it so shows when a view is made (on Windows: ERROR_NOT_SUPPORTED).
 */
HANDLE SegCreateFileMappingA(HANDLE file, SECURITY_ATTRIBUTES *attributes,
                             DWORD protect, DWORD size_high, DWORD size_low,
                             LPCSTR name);
HANDLE SegCreateFileMappingW(HANDLE file, SECURITY_ATTRIBUTES *attributes,
                             DWORD protect, DWORD size_high, DWORD size_low,
                             LPCWSTR name);

/* Bytes of a large page. */
SIZE_T SegGetLargePageMinimum(void);

/*
 * A handle to the mapping of that name. `access`: FILE_MAP_READ or
 * FILE_MAP_COPY, FILE_MAP_WRITE, FILE_MAP_ALL_ACCESS (which is read and write),
 * and FILE_MAP_EXECUTE. `inherit` is ERROR_NOT_SUPPORTED. ERROR_FILE_NOT_FOUND
 * also where the caller may not see it; NULL is ERROR_INVALID_PARAMETER, ""
 * ERROR_INVALID_HANDLE.
 */
HANDLE SegOpenFileMappingA(DWORD access, BOOL inherit, LPCSTR name);
HANDLE SegOpenFileMappingW(DWORD access, BOOL inherit, LPCWSTR name);

/* ---- views ---- */

/*
 * Maps `length` bytes (0: all up to the end) from an offset, which is a
 * multiple of 64 KiB (ERROR_MAPPED_ALIGNMENT) and before the end
 * (ERROR_INVALID_PARAMETER). ERROR_ACCESS_DENIED: it is longer than what is
 * there, or the handle may not. `access`: FILE_MAP_READ, FILE_MAP_WRITE (read
 * and write), FILE_MAP_ALL_ACCESS (the same), FILE_MAP_COPY (private from the
 * first write to a page on; needs a handle for reading), FILE_MAP_EXECUTE
 * besides. FILE_MAP_LARGE_PAGES: of a mapping with SEC_LARGE_PAGES, whose views
 * have large pages in any case, offset and length must be whole ones
 * (ERROR_INVALID_PARAMETER).
 *
 * `base`: where it shall be, a multiple of 64 KiB; ERROR_INVALID_ADDRESS where
 * that is taken. NULL: anywhere, on a page.
 */
LPVOID SegMapViewOfFile(HANDLE mapping, DWORD access, DWORD offset_high,
                        DWORD offset_low, SIZE_T length);
LPVOID SegMapViewOfFileEx(HANDLE mapping, DWORD access, DWORD offset_high,
                          DWORD offset_low, SIZE_T length, LPVOID base);

/* Unmaps the view that the address lies in. ERROR_INVALID_ADDRESS: none. */
BOOL SegUnmapViewOfFile(LPCVOID address);

/* Writes changes back to the file; memory needs none. 0 bytes: to the view's
 * end. ERROR_INVALID_PARAMETER: it is not all in one view. */
BOOL SegFlushViewOfFile(LPCVOID address, SIZE_T length);

/* Tells of the view from the address's page on, and gives the size of that; 0
 * and ERROR_NOT_SUPPORTED where the address lies in no view. */
SIZE_T SegVirtualQuery(LPCVOID address, MEMORY_BASIC_INFORMATION *region,
                       SIZE_T size);

/* ---- handles ---- */

/* A name goes with the last handle of all processes, views or not: it is gone
 * when the call returns. The memory goes with the last handle and view. */
BOOL SegCloseHandle(HANDLE handle);

/* Within this process: both processes are SegGetCurrentProcess(), else
 * ERROR_NOT_SUPPORTED, as is `inherit`. `access` as SegOpenFileMapping has it,
 * and at most what the mapping was opened with. */
BOOL SegDuplicateHandle(HANDLE source_process, HANDLE source,
                        HANDLE target_process, HANDLE *target, DWORD access,
                        BOOL inherit, DWORD options);

HANDLE SegGetCurrentProcess(void);

/* A handle for an open file: a descriptor; on Windows a HANDLE, as an integer.
 * It is duplicated: the file stays the caller's to close, and the handle is
 * closed by SegCloseHandle. INVALID_HANDLE_VALUE where it fails. */
HANDLE SegFileHandle(intptr_t file);

/* ---- errors ---- */

/* Of this thread's last call that failed. */
DWORD SegGetLastError(void);
void SegSetLastError(DWORD error);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
