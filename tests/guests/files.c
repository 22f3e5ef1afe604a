/* Asks for files of a shared directory by 9P2000.L, message by message, as a guest may that means no good:
 * each argument is one try, and names go out as they stand. Prints what came of each; ends with 0 when all
 * were answered.
 *
 *   read=PATH  readlink=PATH  walk=NAME  create=NAME=TEXT  symlink=NAME=TARGET  node=NAME  mode=NAME=OCTAL
 * rename=NAME=NAME link=NAME=NAME  own=NAME=UID  remove=NAME  wait (for ever)
 *
 * A PATH is walked in one step, its parts as they are; a NAME is one part, whatever is in it. Words that are
 * none of these are the boot protocol's.
 *
 * Source: the 9P2000.L protocol as the diod project describes it (protocol.md); numbers of errors are Linux'.
 */
#include "bare.h"

GUEST_MANIFEST(GUEST_DIRECTORY("files"));

#define SIZE   32768
#define ROOT   0
#define FILE   1 /* the fid of the try */
#define OTHER  2
#define NO_FID 0xffffffff

enum {
    LERROR = 7,
    LOPEN = 12,
    LCREATE = 14,
    SYMLINK = 16,
    MKNOD = 18,
    READLINK = 22,
    SETATTR = 26,
    LINK = 70,
    RENAMEAT = 74,
    UNLINKAT = 76,
    VERSION = 100,
    ATTACH = 104,
    WALK = 110,
    READ = 116,
    WRITE = 118,
    CLUNK = 120,
};

static uint8_t request[SIZE], answer[SIZE];
static size_t len; /* of the request so far */
static unsigned handle;

static void put(uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        request[len++] = (uint8_t)(value >> 8 * i);
}

static void put_bytes(const char *text, size_t size)
{
    memcpy(request + len, text, size);
    len += size;
}

static void put_text(const char *text, size_t size)
{
    put(size, 2);
    put_bytes(text, size);
}

static uint32_t get32(size_t at)
{
    return (uint32_t)answer[at] | (uint32_t)answer[at + 1] << 8 | (uint32_t)answer[at + 2] << 16 |
           (uint32_t)answer[at + 3] << 24;
}

static void begin(unsigned type, uint32_t fid)
{
    len = 4;
    put(type, 1);
    put(1, 2);
    put(fid, 4);
}

/* Send it: 0, or the error's number. */
static uint32_t send(void)
{
    unsigned type = request[4];
    size_t size = len;
    len = 0;
    put(size, 4);
    memset(answer, 0, 16);
    size = bare_9p_ask(handle, request, size, answer, SIZE - 1);
    if (size >= 11 && answer[4] == LERROR)
        return get32(7);
    if (size < 7 || answer[4] != type + 1) {
        guest_print("no answer to a request of type %u\n", type);
        guest_exit(1);
    }
    answer[size] = '\0';
    return 0;
}

/* The fid becomes what lies there; empty: the directory itself. */
static uint32_t walk(uint32_t fid, const char *path, size_t size, bool in_parts)
{
    size_t count_at;
    unsigned count = 0;
    begin(CLUNK, fid);
    send(); /* of the try before; never mind */
    begin(WALK, ROOT);
    put(fid, 4);
    count_at = len;
    put(0, 2);
    for (size_t i = 0, start = 0; size > 0 && i <= size; i++) {
        if (i < size && !(in_parts && path[i] == '/'))
            continue;
        put_text(path + start, i - start);
        start = i + 1;
        count++;
    }
    request[count_at] = (uint8_t)count;
    uint32_t error = send();
    return error ? error : (unsigned)(answer[7] | answer[8] << 8) != count ? 2 /* ENOENT */ : 0;
}

static uint32_t read_file(const char *path)
{
    uint32_t error = walk(FILE, path, strlen(path), true);
    if (error)
        return error;
    begin(LOPEN, FILE);
    put(0, 4);
    if ((error = send()))
        return error;
    begin(READ, FILE);
    put(0, 8);
    put(512, 4);
    if (!(error = send()))
        guest_print("content: %s\n", (const char *)answer + 11);
    return error;
}

static uint32_t read_link(const char *path)
{
    uint32_t error = walk(FILE, path, strlen(path), true);
    if (error)
        return error;
    begin(READLINK, FILE);
    if (!(error = send()))
        guest_print("target: %s\n", (const char *)answer + 9);
    return error;
}

static uint32_t create(const char *name, size_t size, const char *text)
{
    uint32_t error = walk(FILE, "", 0, false);
    if (error)
        return error;
    begin(LCREATE, FILE);
    put_text(name, size);
    put(01 | 0100 | 01000, 4); /* O_WRONLY, O_CREAT, O_TRUNC */
    put(0644, 4);
    put(0, 4);
    if ((error = send()))
        return error;
    begin(WRITE, FILE);
    put(0, 8);
    put(strlen(text), 4);
    put_bytes(text, strlen(text));
    return send();
}

/* valid: 1 the mode, 2 the user. */
static uint32_t set(const char *name, size_t size, unsigned valid, uint32_t mode, uint32_t uid)
{
    uint32_t error = walk(FILE, name, size, false);
    if (error)
        return error;
    begin(SETATTR, FILE);
    put(valid, 4);
    put(mode, 4);
    put(uid, 4);
    put(0, 4);
    for (unsigned i = 0; i < 5; i++)
        put(0, 8);
    return send();
}

static uint32_t hard_link(const char *name, size_t size, const char *to)
{
    uint32_t error = walk(OTHER, name, size, false);
    if (error)
        return error;
    begin(LINK, ROOT);
    put(OTHER, 4);
    put_text(to, strlen(to));
    return send();
}

/* One that makes or moves something in the directory itself. */
static uint32_t in_root(unsigned type, const char *name, size_t size, const char *text)
{
    begin(type, ROOT);
    put_text(name, size);
    if (type == SYMLINK) {
        put_text(text, strlen(text));
        put(0, 4);
    } else if (type == MKNOD) {
        put(020666, 4); /* a character device: 1, 3 is /dev/null */
        put(1, 4);
        put(3, 4);
        put(0, 4);
    } else if (type == RENAMEAT) {
        put(ROOT, 4);
        put_text(text, strlen(text));
    } else {
        put(0, 4);
    }
    return send();
}

static uint32_t octal(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '7'; text++)
        value = value * 8 + (uint32_t)(*text - '0');
    return value;
}

static bool attempt(const char *word)
{
    static const char *const verbs[] = {"read=", "readlink=", "walk=", "create=", "symlink=", "node=",
                                        "mode=", "rename=",   "link=", "own=",    "remove="};
    const char *rest = NULL, *text = "";
    unsigned verb = 0;
    uint64_t number = 0;
    uint32_t error = 0;
    while (verb < sizeof verbs / sizeof verbs[0] && !(rest = guest_after(word, verbs[verb])))
        verb++;
    if (!rest)
        return false;
    size_t size = 0;
    while (rest[size] && rest[size] != '=')
        size++;
    if (rest[size])
        text = rest + size + 1;
    guest_number(text, &number, NULL);
    switch (verb) {
    case 0:
        error = read_file(rest);
        break;
    case 1:
        error = read_link(rest);
        break;
    case 2:
        error = walk(FILE, rest, strlen(rest), false);
        break;
    case 3:
        error = create(rest, size, text);
        break;
    case 4:
        error = in_root(SYMLINK, rest, size, text);
        break;
    case 5:
        error = in_root(MKNOD, rest, size, text);
        break;
    case 6:
        error = set(rest, size, 1, octal(text), 0);
        break;
    case 7:
        error = in_root(RENAMEAT, rest, size, text);
        break;
    case 8:
        error = hard_link(rest, size, text);
        break;
    case 9:
        error = set(rest, size, 2, 0, (uint32_t)number);
        break;
    default:
        error = in_root(UNLINKAT, rest, size, text);
        break;
    }
    guest_print("%s: error %u\n", word, error);
    return true;
}

int guest_main(int argc, char **argv)
{
    static const char version[] = "9P2000.L";
    unsigned tries = 0;
    handle = guest_device("files", GUEST_9P);
    if (!handle) {
        guest_print("there is no shared directory\n");
        return 2;
    }
    begin(VERSION, SIZE);
    request[5] = request[6] = 0xff; /* no tag */
    put_text(version, strlen(version));
    send();
    begin(ATTACH, ROOT);
    put(NO_FID, 4);
    put_text("root", 4);
    put_text("", 0);
    put(0, 4);
    uint32_t error = send();
    if (error) {
        guest_print("attach: error %u\n", error);
        return 1;
    }
    for (int i = 0; i < argc; i++) {
        tries += attempt(argv[i]);
        while (guest_equal(argv[i], "wait"))
            guest_wait(guest_monotonic() + GUEST_NSEC);
    }
    return tries ? 0 : 2;
}
