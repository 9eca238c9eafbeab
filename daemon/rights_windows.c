#include "rights_windows.h"

SECURITY_ATTRIBUTES *rights_nobody(struct rights_nobody *nobody)
{
    char owner[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(owner);

    if (!InitializeSecurityDescriptor(&nobody->descriptor,
                                      SECURITY_DESCRIPTOR_REVISION) ||
        !InitializeAcl(&nobody->list, sizeof(nobody->room), ACL_REVISION) ||
        !CreateWellKnownSid(WinCreatorOwnerRightsSid, NULL, owner, &size) ||
        !AddAccessAllowedAce(&nobody->list, ACL_REVISION, 0, owner))
        return NULL;
    SetSecurityDescriptorDacl(&nobody->descriptor, TRUE, &nobody->list, FALSE);
    nobody->attributes =
        (SECURITY_ATTRIBUTES){.nLength = sizeof(nobody->attributes),
                              .lpSecurityDescriptor = &nobody->descriptor};
    return &nobody->attributes;
}
