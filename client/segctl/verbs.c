/*
 * The table of verbs, with their help.
 */
#include "verbs.h"

const struct verb verbs[] = {
    {"create", "[OPTION]... [NAME] SIZE | --file PATH [NAME [SIZE]]",
     "make a segment and hold it",
     "Make a zeroed segment of SIZE bytes, or open the one of that NAME with\n"
     "its own size. Without NAME it is unnamed. NAME is in your own "
     "namespace,\n"
     "global/NAME is host-wide.\n"
     "\n"
     "A name lives as long as somebody holds the segment: create says when it\n"
     "is ready and holds it until interrupted (Ctrl-C). With --persist it\n"
     "returns at once, and the segment stays until 'segctl remove'.\n"
     "\n"
     "With --file the segment is of that file, of all of it unless SIZE says\n"
     "otherwise; where that is more than it has, the file is made larger.\n",
     TAKES_JSON | TAKES_ACCESS | TAKES_MAKE | TAKES_IF_EXISTS | TAKES_FILE |
         TAKES_PUBLISH_LATER,
     OPERANDS_NAME_SIZE, verb_create},
    {"open", "[OPTION]... NAME...", "open segments and hold them",
     "Open a segment, ro unless told otherwise, say when it is ready and hold\n"
     "it until interrupted (Ctrl-C). Of several NAMEs all are opened, or "
     "none.\n"
     "With --wait they need not be there, nor be published, yet.\n",
     TAKES_JSON | TAKES_ID | TAKES_ACCESS | TAKES_WAIT, OPERANDS_TARGETS,
     verb_open},
    {"put", "[OPTION]... NAME", "make a segment of what stdin has",
     "Make a segment, copy stdin into it, say when it is ready, and hold it\n"
     "until interrupted (Ctrl-C). With --persist return at once. A name that\n"
     "is taken is refused.\n"
     "\n"
     "The size is stdin's where it is a file, else --size; what stdin leaves\n"
     "over stays zero. Without either, all of stdin is read first. Nobody "
     "else\n"
     "can open it before all is copied.\n",
     TAKES_JSON | TAKES_SIZE | TAKES_MAKE, OPERANDS_NAME, verb_put},
    {"cat", "[OPTION]... NAME", "write a segment to stdout",
     "Write the segment's bytes, as many as its creator asked for, to "
     "stdout.\n",
     TAKES_ID | TAKES_WAIT, OPERANDS_TARGET, verb_cat},
    {"list", "[OPTION]... [PREFIX]", "the segments that you may see",
     "List the segments that you may see, in the order of their creation, or\n"
     "those whose names begin with PREFIX.\n"
     "\n"
     "STATE: named; persistent (named, and stays without holders); unnamed;\n"
     "removed (its name is gone, grants remain); held (no grant remains, but\n"
     "some process still has the memory). MAY: what you may open it for.\n",
     TAKES_JSON, OPERANDS_PREFIX, verb_list},
    {"watch", "[OPTION]... [PREFIX]", "what becomes of segments",
     "Print a line for whatever becomes of the segments that you may see, or\n"
     "of those whose names begin with PREFIX, until interrupted (Ctrl-C).\n"
     "\n"
     "created; published (it was to be, later); frozen; removed (its name is\n"
     "gone); gone (its memory is free); overflow (some events are lost, or "
     "the\n"
     "broker was replaced: look at 'segctl list').\n",
     TAKES_JSON, OPERANDS_PREFIX, verb_watch},
    {"info", "[OPTION]... [NAME]", "all about one segment, or the broker",
     "Tell all about one segment; without NAME about the broker and what it\n"
     "takes you for.\n",
     TAKES_JSON | TAKES_ID, OPERANDS_ANY_TARGET, verb_info},
    {"usage", "[OPTION]...", "quotas, and what is used of them",
     "List the budgets that apply to you, what is used of them, and their\n"
     "limits. SECTION is the one of the configuration that says so.\n",
     TAKES_JSON | TAKES_ALL, OPERANDS_NONE, verb_usage},
    {"remove", "[OPTION]... NAME", "take a segment's name away",
     "Take the name away at once; who holds the segment keeps the memory. For\n"
     "owners and administrators.\n",
     TAKES_JSON | TAKES_ID, OPERANDS_TARGET, verb_remove},
    {"publish", "[OPTION]... NAME", "let others open a segment",
     "Let others open a segment that was created --publish-later. For owners\n"
     "and administrators.\n",
     TAKES_JSON | TAKES_ID, OPERANDS_TARGET, verb_publish},
    {"freeze", "[OPTION]... NAME",
     "let nobody change a segment's bytes any more",
     "Freeze a segment that was created --freezable: from now on nobody can\n"
     "change its bytes, its creator neither. Refused as busy while somebody\n"
     "has a view of a handle for writing; with --future those views can write\n"
     "on, but no more can be made. For owners and administrators.\n",
     TAKES_JSON | TAKES_ID | TAKES_FUTURE, OPERANDS_TARGET, verb_freeze},
    {"signal", "[OPTION]... NAME", "ring a segment's doorbell",
     "Ring the doorbell of a segment that was created with --doorbell: one\n"
     "process that waits wakes, or the next one that comes does not wait. "
     "With\n"
     "--all every one that waits wakes.\n",
     TAKES_JSON | TAKES_ID | TAKES_EVERYBODY, OPERANDS_TARGET, verb_signal},
    {"wait", "[OPTION]... NAME", "wait until a segment's doorbell is rung",
     "Open a segment that was created with --doorbell and wait until somebody\n"
     "rings. Fails, with status 1, when nobody did within --timeout.\n",
     TAKES_JSON | TAKES_ID | TAKES_TIMEOUT, OPERANDS_TARGET, verb_wait},
    {"exec", "[OPTION]... NAME -- CMD [ARG]...",
     "run a command that inherits a segment",
     "Run CMD with the segment as an open descriptor, 3 unless --fd says\n"
     "otherwise, and end with its status. The segment is ro unless --access\n"
     "says otherwise. CMD finds SEGBROKER_FD, SEGBROKER_SIZE and\n"
     "SEGBROKER_NAME in its environment.\n"
     "\n"
     "Map the descriptor or use pread: its file offset is shared with others\n"
     "that have the segment. Its end is SEGBROKER_SIZE rounded up to pages.\n",
     TAKES_ID | TAKES_ACCESS | TAKES_FD | TAKES_WAIT, OPERANDS_COMMAND,
     verb_exec},
    {"share", "[OPTION]... NAME", "let whoever has a ticket have a segment",
     "Open a segment, print a ticket for it on stdout, and hold the segment\n"
     "until the ticket was redeemed or has expired, or until interrupted. Who\n"
     "redeems the ticket gets the segment, whatever user he is, ro unless\n"
     "--access says otherwise: a ticket is a secret.\n",
     TAKES_JSON | TAKES_ID | TAKES_ACCESS | TAKES_OFFER, OPERANDS_TARGET,
     verb_share},
    {"redeem", "[OPTION]... [TICKET]",
     "open the segment of a ticket, and hold it",
     "Open the segment of a ticket, say when it is ready and hold it until\n"
     "interrupted. Without TICKET, or where it is -, the ticket is the first\n"
     "line of stdin. Prefer that: others see command lines.\n",
     TAKES_JSON, OPERANDS_TICKET, verb_redeem},
    {"ping", "[OPTION]...", "ask whether the broker answers",
     "Ask the broker for an answer and tell how long it took.\n",
     TAKES_JSON | TAKES_COUNT, OPERANDS_NONE, verb_ping},
    {"clients", "[OPTION]...", "who is connected (administrators)",
     "List the connected clients. For administrators.\n", TAKES_JSON,
     OPERANDS_NONE, verb_clients},
    {"stats", "[OPTION]...", "the broker's counters (administrators)",
     "Print the broker's counters. For administrators.\n", TAKES_JSON,
     OPERANDS_NONE, verb_stats},
    {"revoke", "[OPTION]... NAME",
     "take a segment from all who have it (administrators)",
     "Take the name and all grants away, and make the memory zeros. Handles "
     "and\n"
     "views stay, and nobody gets the segment any more. What is frozen keeps\n"
     "its bytes. For administrators.\n",
     TAKES_JSON | TAKES_ID, OPERANDS_TARGET, verb_revoke},
    {"reload", "[OPTION]...", "read the configuration anew (administrators)",
     "Make the broker read its configuration anew: all of it, or nothing when\n"
     "something in it is wrong. For administrators.\n",
     TAKES_JSON, OPERANDS_NONE, verb_reload},
    {"log-level", "[OPTION]... LEVEL",
     "how much the broker logs (administrators)",
     "Set how much the broker logs: error, warning, info or debug. For\n"
     "administrators.\n",
     TAKES_JSON, OPERANDS_LEVEL, verb_log_level},
    {"restart", "[OPTION]...",
     "replace the service by the installed program (administrators)",
     "Replace the whole service by the program that is installed now, without\n"
     "losing a segment, and wait until it answers. For administrators.\n",
     TAKES_JSON, OPERANDS_NONE, verb_restart},
    {"shutdown", "[OPTION]...", "end the service (administrators)",
     "End the service. For administrators.\n", TAKES_JSON, OPERANDS_NONE,
     verb_shutdown},
    {0},
};
