#include "filemapping_error.h"

#include "segbroker.h"

DWORD filemapping_error_of(int code)
{
    static const struct {
        int code;
        DWORD error;
    } errors[] = {
        {0, ERROR_SUCCESS},
        {SEGB_E_UNSUPPORTED_VERSION, ERROR_NOT_SUPPORTED},
        {SEGB_E_UNKNOWN_OP, ERROR_NOT_SUPPORTED},
        {SEGB_E_INVALID_ARGUMENT, ERROR_INVALID_PARAMETER},
        {SEGB_E_INVALID_NAME, ERROR_INVALID_NAME},
        {SEGB_E_NOT_FOUND, ERROR_FILE_NOT_FOUND},
        {SEGB_E_EXISTS, ERROR_ALREADY_EXISTS},
        {SEGB_E_ACCESS_DENIED, ERROR_ACCESS_DENIED},
        {SEGB_E_QUOTA_EXCEEDED, ERROR_NOT_ENOUGH_QUOTA},
        {SEGB_E_NO_MEMORY, ERROR_COMMITMENT_LIMIT},
        {SEGB_E_FILE_EMPTY, ERROR_FILE_INVALID},
        {SEGB_E_FILE_TOO_SMALL, ERROR_NOT_ENOUGH_MEMORY},
        {SEGB_E_FILE_FULL, ERROR_DISK_FULL},
        {SEGB_E_TIMEOUT, ERROR_TIMEOUT},
        {SEGB_E_TOO_MANY_HANDLES, ERROR_TOO_MANY_OPEN_FILES},
        {SEGB_E_RATE_LIMITED, ERROR_BUSY},
        {SEGB_E_NOT_SUPPORTED, ERROR_NOT_SUPPORTED},
        {SEGB_E_BUSY, ERROR_BUSY},
        {SEGB_E_SHUTTING_DOWN, ERROR_SHUTDOWN_IN_PROGRESS},
        {SEGB_E_INTERNAL, ERROR_INTERNAL_ERROR},
        {SEGB_E_NO_BROKER, ERROR_SERVICE_NOT_ACTIVE},
        {SEGB_E_PROTOCOL, ERROR_INVALID_DATA},
    };

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].code == code)
            return errors[i].error;
    return ERROR_GEN_FAILURE;
}

void *filemapping_fail(DWORD error)
{
    SegSetLastError(error);
    return NULL;
}
