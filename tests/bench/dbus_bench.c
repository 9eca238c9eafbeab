/*
 * A descriptor over D-Bus: a method call to another client of the bus, whose
 * answer has it; then mapped, unmapped and closed, as an attach does it. The
 * bus is a dbus-broker of the station's own, which it starts without systemd's
 * launcher: it tells it itself where to listen, and that all is allowed.
 *
 *   call  --socket: where the bus is to serve, --size: of the memory,
 *         --server-cpu: of the bus and of him who answers
 */
#include "station.h"
#include "wire.h"

#include <systemd/sd-bus.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADDRESS_MAX = 256 };

static const char service[] = "org.segbroker.Bench";
static const char object[] = "/org/segbroker/Bench";

/* What dbus-broker takes for a policy: rules of who may connect, own names,
 * send and receive, for users, then for groups; labels; AppArmor; the kind of
 * bus. */
#define RULES "bta(btbs)a(btssssuutt)a(btssssuutt)"
static const char policy[] = "(a(u(" RULES "))a(buu(" RULES "))a(ss)bs)";

struct dbus {
    struct station_options options;
    sd_bus *bus;
    sd_bus *controller;
    pid_t broker;
    int broker_end; /* of the controller's connection, in the broker */
    int memory;
    int ready[2]; /* the service's word that it can be called */
    pid_t server;
};

static void must(const char *what, int r)
{
    if (r < 0)
        station_give_up("%s: %s", what, strerror(-r));
}

static sd_bus *connect_bus(const struct dbus *dbus)
{
    char address[ADDRESS_MAX];
    sd_bus *bus = NULL;
    snprintf(address, sizeof(address), "unix:path=%s", dbus->options.socket);
    must("sd_bus_new", sd_bus_new(&bus));
    must("the bus's address", sd_bus_set_address(bus, address));
    must("sd_bus_set_bus_client", sd_bus_set_bus_client(bus, 1));
    must("sd_bus_negotiate_fds", sd_bus_negotiate_fds(bus, 1));
    must("the bus", sd_bus_start(bus));
    return bus;
}

/* ---- the bus ---- */

static void become_broker(void *data)
{
    const struct dbus *dbus = data;
    char number[16];
    snprintf(number, sizeof(number), "%d", dbus->broker_end);
    fcntl(dbus->broker_end, F_SETFD, 0);
    execlp("dbus-broker", "dbus-broker", "--controller", number, "--machine-id",
           "0123456789abcdef0123456789abcdef", (char *)NULL);
    station_give_up("dbus-broker: %s", strerror(errno));
}

static void allow_all(sd_bus *controller, int listening)
{
    const uint64_t first = 1; /* the rules' priority */
    sd_bus_message *message = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    must("AddListener", sd_bus_message_new_method_call(
                            controller, &message, NULL, "/org/bus1/DBus/Broker",
                            "org.bus1.DBus.Broker", "AddListener"));
    must("the policy",
         sd_bus_message_append(
             message, "ohv", "/org/bus1/DBus/Listener/0", listening, policy, 1,
             UINT32_MAX, 1, first, 1, 1, first, 1, "", 1, 1, first, "", "", "",
             "", 0, 0, UINT64_C(0), UINT64_MAX, 1, 1, first, "", "", "", "", 0,
             0, UINT64_C(0), UINT64_MAX, 0, 0, 0, "session"));
    if (sd_bus_call(controller, message, 0, &error, NULL) < 0)
        station_give_up("dbus-broker does not serve: %s",
                        error.message ? error.message : "it has ended");
    sd_bus_message_unref(message);
}

static void start_broker(struct dbus *dbus)
{
    int ends[2];
    int listening = wire_listen(dbus->options.socket);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends) < 0)
        station_give_up("socketpair: %s", strerror(errno));
    dbus->broker_end = ends[0];
    dbus->broker = station_fork(dbus->options.server_cpu, become_broker, dbus);
    close(ends[0]);
    must("sd_bus_new", sd_bus_new(&dbus->controller));
    must("sd_bus_set_fd", sd_bus_set_fd(dbus->controller, ends[1], ends[1]));
    must("the controller", sd_bus_start(dbus->controller));
    allow_all(dbus->controller, listening);
    close(listening);
}

/* ---- who answers ---- */

static int answer(sd_bus_message *call, void *data, sd_bus_error *error)
{
    const struct dbus *dbus = data;
    (void)error;
    return sd_bus_reply_method_return(call, "h", dbus->memory);
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Get", "", "h", answer, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

static void serve(void *data)
{
    struct dbus *dbus = data;
    int r = 0;
    dbus->memory = memfd_create("bench", MFD_CLOEXEC);
    if (dbus->memory < 0 ||
        ftruncate(dbus->memory, (off_t)dbus->options.size) < 0)
        station_give_up("memfd: %s", strerror(errno));
    dbus->bus = connect_bus(dbus);
    must("the object", sd_bus_add_object_vtable(dbus->bus, NULL, object,
                                                service, methods, dbus));
    must("the name", sd_bus_request_name(dbus->bus, service, 0));
    if (write(dbus->ready[1], "r", 1) != 1)
        return;
    while ((r = sd_bus_process(dbus->bus, NULL)) >= 0) {
        if (r == 0 && sd_bus_wait(dbus->bus, UINT64_MAX) < 0)
            return;
    }
}

/* ---- who asks ---- */

static int call(void *data)
{
    struct dbus *dbus = data;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int fd = -1;
    int r = sd_bus_call_method(dbus->bus, service, object, service, "Get",
                               &error, &reply, "");
    if (r >= 0)
        r = sd_bus_message_read(reply, "h", &fd);
    if (r >= 0)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    sd_bus_message_unref(reply);
    if (r < 0 || fd < 0)
        station_complain("the call: %s",
                         error.message ? error.message : strerror(-r));
    sd_bus_error_free(&error);
    if (r < 0 || fd < 0)
        return -1;
    return station_map_descriptor(fd, dbus->options.size, PROT_READ);
}

int main(int argc, char **argv)
{
    static struct dbus dbus;
    struct station station = {.once = call, .data = &dbus};
    char word;
    dbus.options = station_options(argc, argv);
    if (!dbus.options.socket || dbus.options.size == 0)
        station_give_up("%s needs --socket and --size", dbus.options.kind);
    start_broker(&dbus);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, dbus.ready) < 0)
        station_give_up("socketpair: %s", strerror(errno));
    dbus.server = station_fork(dbus.options.server_cpu, serve, &dbus);
    close(dbus.ready[1]);
    if (read(dbus.ready[0], &word, 1) != 1)
        station_give_up("nobody answers on the bus");
    dbus.bus = connect_bus(&dbus);
    int r = station_run(&station);
    sd_bus_flush_close_unref(dbus.bus);
    kill(dbus.server, SIGTERM);
    station_join(dbus.server);
    kill(dbus.broker, SIGTERM);
    station_join(dbus.broker);
    sd_bus_unref(dbus.controller);
    unlink(dbus.options.socket);
    return r;
}
