/* An ordinary container's program that waits for its end. */
#include <unistd.h>

int main(void)
{
    for (;;)
        pause();
}
