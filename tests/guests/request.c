/* Requests of HTTP/1: the line and the fields. */
#include "request.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Does `text` (len bytes) begin with `word`, in whatever case? */
static bool begins(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    if (n > len)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(text[i]) != word[i])
            return false;
    return true;
}

size_t request_head(const char *in, size_t len)
{
    for (size_t i = 0; i + 4 <= len; i++)
        if (memcmp(in + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

bool request_next_field(const struct request *request, size_t *at, struct request_field *ret)
{
    const char *text = request->fields;
    while (*at + 2 < request->fields_len) {
        size_t start = *at + 2, end = start, colon = start;
        while (end + 1 < request->fields_len && text[end] != '\r')
            end++;
        while (colon < end && text[colon] != ':')
            colon++;
        *at = end;
        if (colon == start || colon == end)
            continue;
        ret->name = text + start;
        ret->name_len = colon - start;
        for (colon++; colon < end && (text[colon] == ' ' || text[colon] == '\t');)
            colon++;
        while (end > colon && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        ret->value = text + colon;
        ret->value_len = end - colon;
        return true;
    }
    return false;
}

const char *request_field(const struct request *request, const char *name, size_t *ret_len)
{
    struct request_field field;
    for (size_t at = 0; request_next_field(request, &at, &field);) {
        if (field.name_len != strlen(name) || !begins(field.name, field.name_len, name))
            continue;
        *ret_len = field.value_len;
        return field.value;
    }
    return NULL;
}

bool request_has_body(const struct request *request)
{
    size_t len;
    return request_field(request, "content-length", &len) ||
           request_field(request, "transfer-encoding", &len);
}

bool request_parse(struct request *ret, const char *in, size_t len)
{
    size_t line = 0, method = 0, connection_len = 0;
    while (line < len && in[line] != '\r')
        line++;
    while (method < line && in[method] != ' ')
        method++;
    size_t end = method + 1;
    while (end < line && in[end] != ' ')
        end++;
    if (end >= line || in[method + 1] != '/' || !begins(in + end + 1, line - end - 1, "http/1."))
        return false;
    *ret = (struct request){
        .method = in,
        .method_len = method,
        .target = in + method + 1,
        .target_len = end - method - 1,
        .fields = in + line,
        .fields_len = len - 2 - line, /* without the empty line */
    };
    while (ret->path_len < ret->target_len && ret->target[ret->path_len] != '?')
        ret->path_len++;
    ret->head = method == 4 && memcmp(in, "HEAD", 4) == 0;
    ret->get = ret->head || (method == 3 && memcmp(in, "GET", 3) == 0);
    const char *connection = request_field(ret, "connection", &connection_len);
    if (in[line - 1] == '0')
        ret->keep = connection && begins(connection, connection_len, "keep-alive");
    else
        ret->keep = !connection || !begins(connection, connection_len, "close");
    return true;
}

bool request_is(const struct request *request, const char *path)
{
    return request->path_len == strlen(path) && memcmp(request->target, path, request->path_len) == 0;
}
