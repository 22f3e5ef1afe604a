/* Reads lines of modules.dep. */
#include "lib/depmod.h"

#include <stddef.h>
#include <string.h>

bool rk_depmod_is(const char *line, const char *module)
{
    size_t start = strcspn(line, ":");
    while (start > 0 && line[start - 1] != '/')
        start--;
    for (; *module; module++, start++)
        if (line[start] != *module && !(line[start] == '-' && *module == '_'))
            return false;
    return line[start] == '.';
}

void rk_depmod_each(char *line, void (*use)(void *data, const char *file), void *data)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return;
    *colon = '\0';
    char *needs = colon + 1;
    needs[strcspn(needs, "\n")] = '\0';
    for (char *blank; (blank = strrchr(needs, ' ')); *blank = '\0')
        if (blank[1])
            use(data, blank + 1);
    use(data, line);
}
