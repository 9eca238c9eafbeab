/* Any bytes as a configuration: problems or a config, nothing else. */
#include "config.h"

#include <stdlib.h>

static int find(const char *name, uint32_t *id)
{
    *id = (unsigned char)name[0];
    return name[0] == 'x';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config_host host = {.lookup = {find, find}, .memory = 1 << 30};
    struct config_problems problems;
    struct config *config = NULL;
    int r = config_load_text((const char *)data, size, "fuzz", &host, &config,
                             &problems);

    if ((r == 0) != (config != NULL) ||
        (r == CONFIG_INVALID) != (problems.count > 0))
        __builtin_trap();
    if (config)
        config_rule_for(config, "global/cam/0");
    config_free(config);
    config_problems_deinit(&problems);
    return 0;
}
