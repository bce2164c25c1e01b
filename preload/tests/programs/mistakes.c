/* Seven mistakes, each of which `debug` reports with the line that ends with its comment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *volatile kept;

static void *allocate_the_leak(void)
{
    return malloc(77); /* leak */
}

int main(void)
{
    char *first = malloc(10), *second = malloc(20), *third = malloc(30);
    char *large = malloc(40000), *volatile end;
    int local[16] = {0};
    free(first);                   /* freed */
    free(first);                   /* freed again */
    free(second + 16);             /* inside */
    end = second + 20;
    *end = 'x';
    free(second);                  /* overrun */
    kept = (char *)local + 32;
    free(kept);                    /* not from malloc */
    free(third);
    kept = third = realloc(third, 60); /* realloc of a freed block */
    free(third);
    free(large);
    free(large);                   /* large freed again */
    memset(allocate_the_leak(), 0, 77);
    puts("done");
    return 0;
}
