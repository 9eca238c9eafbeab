#include "loop.h"

void loop_run(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

void loop_stop(uv_loop_t *loop)
{
    uv_stop(loop);
}
