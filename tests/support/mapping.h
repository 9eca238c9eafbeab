/*
 * What tests of the Win32 calls (client/filemapping.h) share: a broker that
 * they reach, and calls that must succeed.
 */
#ifndef SEGBROKER_TESTS_MAPPING_H
#define SEGBROKER_TESTS_MAPPING_H

#include "broker.h"
#include "client/filemapping.h"
#include "raw.h"

#include <check.h>

enum { MAPPING_PAGE = 4096 };

/* The call fails, with this code. */
#define REFUSES(error, call)                                                   \
    do {                                                                       \
        SegSetLastError(ERROR_SUCCESS);                                        \
        REQUIRE(!(call));                                                      \
        REQUIRE_INT(SegGetLastError(), (error));                               \
    } while (0)

/* The broker that $SEGBROKER_SOCKET names, with 64 MiB to a segment. */
extern struct test_broker mapping_broker;
/* An administrator's connection to it. */
extern struct raw mapping_admin;

/* A test case with them. */
TCase *mapping_case(Suite *suite, const char *name);

/* Memory of that name, NULL for none. */
HANDLE mapping_try_create(DWORD protect, DWORD size, const char *name);
HANDLE mapping_create(DWORD protect, DWORD size, const char *name);
HANDLE mapping_open(DWORD access, const char *name);
void mapping_close(HANDLE handle);
/* Nobody finds the name. */
void mapping_expect_none(const char *name);

/* All of it. */
unsigned char *mapping_view(HANDLE mapping, DWORD access);
void mapping_unview(void *view);
/* Bytes from the address to its view's end. */
size_t mapping_bytes_from(const void *address);
/* Bytes that a view of all of it has. */
size_t mapping_bytes_of(HANDLE mapping);

#endif
