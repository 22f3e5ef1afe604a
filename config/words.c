/* Lists of words: looked up, and written out for an error. */
#include "config/words.h"

#include <stdio.h>
#include <string.h>

const char *const cfg_monitor_words[] = {"hvt", "spt", "qemu", NULL};

int cfg_word_index(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

void cfg_words_join(char *out, size_t size, const char *const *words)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; words[i] && len < size; i++) {
        const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        len += (size_t)snprintf(out + len, size - len, "%s\"%s\"", before, words[i]);
    }
}
