/*
 * What `--help` prints.
 */
#ifndef SEGCTL_HELP_H
#define SEGCTL_HELP_H

struct verb;

void help_print(void);
void help_print_verb(const struct verb *verb);

#endif
