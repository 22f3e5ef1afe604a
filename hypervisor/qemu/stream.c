/* QEMU's output: passed on as it comes, and told line by line. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/qemu/supervisor.h"

static void end_line(struct sup_stream *stream, sup_line_fn *take, void *data)
{
    while (stream->length > 0 && stream->line[stream->length - 1] == '\r')
        stream->length--;
    stream->line[stream->length] = '\0';
    stream->length = 0;
    take(data, stream->line);
}

void sup_stream_read(struct sup_stream *stream, sup_line_fn *take, void *data)
{
    if (stream->in < 0 || stream->start < stream->end)
        return;
    ssize_t n = read(stream->in, stream->pending, sizeof stream->pending);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        close(stream->in);
        stream->in = -1;
        return;
    }
    stream->start = 0;
    stream->end = (size_t)n;
    for (size_t i = 0; i < (size_t)n; i++) {
        if (stream->pending[i] == '\n')
            end_line(stream, take, data);
        else if (stream->length < sizeof stream->line - 1)
            stream->line[stream->length++] = stream->pending[i];
    }
}

void sup_stream_say(struct sup_stream *stream, const char *line)
{
    size_t len = strlen(line);
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    if (len > sizeof stream->pending - stream->end)
        return;
    memcpy(stream->pending + stream->end, line, len);
    stream->end += len;
}

void sup_stream_write(struct sup_stream *stream)
{
    ssize_t n = write(stream->out, stream->pending + stream->start, stream->end - stream->start);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    /* Nobody reads: the guest goes on, as a process that ignores SIGPIPE would. */
    stream->start = n < 0 ? stream->end : stream->start + (size_t)n;
}
