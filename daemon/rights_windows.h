/*
 * Rights of objects that are given away by duplicating handles alone.
 */
#ifndef SEGBROKER_RIGHTS_WINDOWS_H
#define SEGBROKER_RIGHTS_WINDOWS_H

#include <windows.h>

/* A list of rights that gives none: a handle has those that it was made with,
 * and nobody makes more of it, the owner neither, who could otherwise write the
 * list. */
struct rights_nobody {
    SECURITY_ATTRIBUTES attributes;
    SECURITY_DESCRIPTOR descriptor;
    union {
        ACL list;
        char room[sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) +
                  SECURITY_MAX_SID_SIZE];
    };
};

/* For the call that makes the object; as long as `nobody` is there. NULL when
 * Windows cannot make it. */
SECURITY_ATTRIBUTES *rights_nobody(struct rights_nobody *nobody);

#endif
