/* Lists of words that settings and annotations choose from. */
#ifndef CFG_WORDS_H
#define CFG_WORDS_H

#include <stddef.h>

/* "hvt", "spt", "qemu"; ends with NULL. */
extern const char *const cfg_monitor_words[];

/* The index of `word` in the list, which ends with NULL; -1: it is not there. */
int cfg_word_index(const char *const *words, const char *word);

/* The list as a sentence has it: "a", "b" or "c". */
void cfg_words_join(char *out, size_t size, const char *const *words);

#endif
