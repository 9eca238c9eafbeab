#include "service.h"

#include "handle.h"

bool service_is_managed(void)
{
    return false;
}

void service_take(struct service_given *given)
{
    *given = (struct service_given){
        .socket = HANDLE_NONE,
        .lock = HANDLE_NONE,
        .pack = {HANDLE_NONE, {HANDLE_NONE, HANDLE_NONE}}};
}

void service_notify(const char *state)
{
    (void)state;
}

int service_store(const struct estate_pack *pack)
{
    (void)pack;
    return -1;
}

void service_clear_store(void)
{
}

uint64_t service_watchdog_ms(void)
{
    return 0;
}

int service_leave(const struct service_given *left)
{
    (void)left;
    return -1;
}

void service_unleave(const struct service_given *left)
{
    (void)left;
}
