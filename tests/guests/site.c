/* The example's static files, as the assembler takes them in. */
#include "site.h"

#define FILE_BYTES(symbol, name)                                                                             \
    __asm__(".pushsection .rodata\n" #symbol ": .incbin \"contrib/compose/lamp/site/" name "\"\n" #symbol    \
            "_end:\n.byte 0\n.popsection\n");                                                                \
    extern const char symbol[], symbol##_end[]

FILE_BYTES(site_index, "index.html");
FILE_BYTES(site_style, "style.css");

static const struct site_file files[] = {
    {"/", "text/html; charset=utf-8", site_index, site_index_end},
    {"/index.html", "text/html; charset=utf-8", site_index, site_index_end},
    {"/style.css", "text/css; charset=utf-8", site_style, site_style_end},
};

size_t site_files(const struct site_file **ret_files)
{
    *ret_files = files;
    return sizeof(files) / sizeof(files[0]);
}
