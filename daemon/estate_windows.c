/*
 * Handles live in processes alone here: there is nothing to pack them into
 * that would outlive both keeper and broker. So `restart`, and keeping segments
 * while the service is stopped, are for other systems.
 */
#include "estate.h"

#include "log.h"

int estate_pack(const struct estate *estate, struct estate_pack *pack)
{
    (void)pack;
    log_error("%u segments cannot outlive the service on this system",
              estate_count(estate));
    return ESTATE_E_SYSTEM;
}

void estate_unpack(struct estate *estate, const struct estate_pack *pack)
{
    (void)estate;
    estate_pack_close(pack);
}

void estate_pack_close(const struct estate_pack *pack)
{
    handle_close(pack->records);
    handle_close(pack->ends[0]);
    handle_close(pack->ends[1]);
}
