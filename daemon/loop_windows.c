#include "loop.h"

int loop_init(uv_loop_t *loop)
{
    return uv_loop_init(loop);
}

void loop_run(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

void loop_stop(uv_loop_t *loop)
{
    uv_stop(loop);
}

void loop_drain(uv_loop_t *loop)
{
    while (uv_run(loop, UV_RUN_DEFAULT) != 0)
        continue;
}

void loop_deinit(uv_loop_t *loop)
{
    uv_loop_close(loop);
}
