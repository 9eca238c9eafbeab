/*
 * What segbrokerd does beside serving: words in place of the first option.
 */
#ifndef SEGBROKER_VERBS_H
#define SEGBROKER_VERBS_H

/* What --help says of them. */
extern const char verbs_help[];

/* And of what reloads and ends a broker that serves. */
extern const char verbs_reload_help[];

/*
 * Carries out the word that the arguments begin with, if it is one: the
 * process's exit status. -1 where the program is to serve; `run` and what
 * belongs to it are taken out then.
 */
int verbs_run(int *argc, char **argv);

#endif
