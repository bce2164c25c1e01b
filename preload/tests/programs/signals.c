/* Raises SIGUSR1 with a block alive, and goes on if that is handled. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char *volatile text = malloc(1000);
    (void)argc, (void)argv;
    if (text == NULL) return 1;
    memset(text, 1, 1000);
    raise(SIGUSR1);
    free(text);
    /* As the programs of coreutils do. */
    close(2);
    return 0;
}
