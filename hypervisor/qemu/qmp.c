/* QEMU's monitor protocol, as much of it as is needed. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"

static bool say(struct sup_qmp *qmp, const char *command)
{
    size_t length = strlen(command);
    return qmp->fd >= 0 && send(qmp->fd, command, length, MSG_NOSIGNAL) == (ssize_t)length;
}

bool sup_qmp_button(struct sup_qmp *qmp)
{
    return say(qmp, "{\"execute\":\"system_powerdown\"}\n");
}

/* SHUTDOWN and its reasons: QEMU's qapi/run-state.json. */
static void note_shutdown(json_t *event, struct sup_end *end)
{
    static const struct {
        const char *name;
        int reason;
    } reasons[] = {{"guest-shutdown", SUP_POWEROFF}, {"guest-reset", SUP_RESET}, {"guest-panic", SUP_PANIC}};
    const char *reason = json_string_value(json_object_get(json_object_get(event, "data"), "reason"));
    for (size_t i = 0; reason && i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reason, reasons[i].name) == 0 && end->reason == SUP_UNKNOWN)
            end->reason = (typeof(end->reason))reasons[i].reason;
}

static void take_line(struct sup_qmp *qmp, const char *line, size_t length, struct sup_end *end)
{
    json_t *json = json_loadb(line, length, 0, NULL);
    const char *event = json_string_value(json_object_get(json, "event"));
    const char *id = json_string_value(json_object_get(json, "id"));
    if (json_object_get(json, "QMP")) {
        /* The machine is built, and waits (-S): whatever goes wrong from here on is the guest's doing. */
        say(qmp, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"cont\",\"id\":\"run\"}\n");
    } else if (id && strcmp(id, "run") == 0 && json_object_get(json, "return")) {
        end->started = true;
    } else if (event && strcmp(event, "SHUTDOWN") == 0) {
        note_shutdown(json, end);
    } else if (event && strcmp(event, "GUEST_PANICKED") == 0) {
        end->reason = SUP_PANIC;
    } else if (event && strcmp(event, "STOP") == 0 && end->reason == SUP_UNKNOWN) {
        end->reason = SUP_STUCK; /* nobody asked for it: KVM gave up, or a disk */
    }
    json_decref(json);
}

bool sup_qmp_read(struct sup_qmp *qmp, struct sup_end *end)
{
    ssize_t n = recv(qmp->fd, qmp->text + qmp->length, sizeof qmp->text - qmp->length, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return errno == EINTR;
    if (n <= 0) {
        close(qmp->fd);
        qmp->fd = -1;
        return false;
    }
    qmp->length += (size_t)n;
    char *start = qmp->text, *stop = qmp->text + qmp->length, *line_end;
    while ((line_end = memchr(start, '\n', (size_t)(stop - start)))) {
        take_line(qmp, start, (size_t)(line_end - start), end);
        start = line_end + 1;
    }
    qmp->length = (size_t)(stop - start);
    memmove(qmp->text, start, qmp->length);
    if (qmp->length == sizeof qmp->text) /* no answer that we could want is that long */
        qmp->length = 0;
    return true;
}
