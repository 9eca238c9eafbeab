/*
 * Hash tables: uthash, told never to end the process when memory is short.
 *
 * After HASH_ADD… ask TABLE_HOLDS whether the item went in.
 */
#ifndef SEGBROKER_TABLE_H
#define SEGBROKER_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define TABLE_HOLDS(handle, item) ((item)->handle.tbl != NULL)

#endif
