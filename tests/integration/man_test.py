#!/usr/bin/env python3
"""The man pages tell of all that there is, and of nothing else: options, verbs,
exit codes, keys, functions and constants, as the programs and the header have
them. And they build without a warning.

Environment: BUILD, the folder of the products (default: build)."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD") or TOP / "build")
PAGES = {path.stem: path for path in (TOP / "packaging" / "man").glob("*.scd")}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# In help on one verb these go with (nearly) all.
COMMON = {"--socket", "--json", "--quiet", "--help"}


class Skipped(Exception):
    """What the test needs is not installed."""


def run(*command, **options):
    result = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False, **options)
    return result.returncode, result.stdout, result.stderr


def help_of(program, *arguments):
    status, text, errors = run(BUILD / program, *arguments, "--help")
    assert status == 0, f"{program} --help ended with {status}: {errors}"
    return text


def need(program):
    if not shutil.which(program):
        raise Skipped(f"there is no {program}")


# ---- pages ----

def source(page):
    return PAGES[page].read_text(encoding="utf-8")


def plain(text):
    """The text without its marks."""
    text = re.sub(r"(?<!\\)\*", "", text)
    text = re.sub(r"(?<![\w\\])_|(?<!\\)_(?!\w)", "", text)
    return re.sub(r"\\(.)", r"\1", text)


def sections(text):
    """Text by its heading of the first order."""
    parts = re.split(r"^# (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def entries(text):
    """The indented text below each line that stands over such a text."""
    found = re.findall(r"^(\*.*)\n((?:(?:\t.*)?\n)+)", text + "\n", flags=re.M)
    return {head: body for head, body in found if body.strip()}


def option_entries(text):
    """The options of entries such as `*-q*, *--quiet* _N_`."""
    return {option for head in entries(text) if head.startswith("*-")
            for option in OPTION.findall(plain(head))}


def code_entries(text):
    """Exit codes that have an entry."""
    return {int(number) for head in entries(text)
            for number in re.findall(r"^\*(\d+)\*$", head)}


def literals(text):
    """What stands in literal blocks."""
    return "\n".join(re.findall(r"^```\n(.*?)^```$", text, flags=re.M | re.S))


def same(what, page, real):
    """Both ways: nothing is missing in the page, nothing is invented."""
    page, real = set(page), set(real)
    wrong = []
    if real - page:
        wrong.append(f"the page lacks {sorted(real - page)}")
    if page - real:
        wrong.append(f"there is no {sorted(page - real)}")
    assert real, f"{what}: nothing found to compare with"
    assert not wrong, f"{what}: {'; '.join(wrong)}"


# ---- programs ----

def test_segbrokerd_options():
    page = source("segbrokerd.8")
    real = OPTION.findall(help_of("segbrokerd"))
    same("entries", option_entries(sections(page)["OPTIONS"]), real)
    same("mentioned", OPTION.findall(plain(page)), real)


def test_segbrokerd_exit_codes():
    text = help_of("segbrokerd").partition("\nExit: ")[2]
    codes = [int(code) for code in re.findall(r"(?:^|,\s)(\d+) ", text)]
    page = sections(source("segbrokerd.8"))["EXIT STATUS"]
    same("exit codes", code_entries(page), codes)


def test_segbrokerd_signals():
    text = plain(sections(source("segbrokerd.8"))["SIGNALS"])
    told = re.findall(r"\bSIG[A-Z]+\b", help_of("segbrokerd"))
    missing = set(told) - set(re.findall(r"\bSIG[A-Z]+\b", text))
    assert told and not missing, f"the page lacks {sorted(missing)}"


def verbs_of_help():
    table = help_of("segctl").partition("\n\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+)", table, flags=re.M)


def verbs_of_page():
    """Each verb with its synopsis and the text below."""
    found = {}
    for title, text in sections(source("segctl.1")).items():
        if title in ("OPTIONS", "EXIT STATUS", "ENVIRONMENT"):
            continue
        for head, body in entries(text).items():
            verb, _, synopsis = plain(head).partition(" ")
            found[verb] = (synopsis, plain(body))
    return found


def test_segctl_options():
    page = source("segctl.1")
    real = set(OPTION.findall(help_of("segctl")))
    for verb in verbs_of_help():
        real.update(OPTION.findall(help_of("segctl", verb)))
    same("entries", option_entries(sections(page)["OPTIONS"]), real)
    same("mentioned", OPTION.findall(plain(page)), real)


def test_segctl_letters():
    letter = re.compile(r"(?<![\w-])-([a-z]), --([a-z-]+)")
    real = letter.findall(help_of("segctl"))
    for verb in verbs_of_help():
        real += letter.findall(help_of("segctl", verb))
    page = sections(source("segctl.1"))["OPTIONS"]
    same("letters", letter.findall(plain(page)), real)


def test_segctl_verbs():
    same("verbs", verbs_of_page(), verbs_of_help())


def test_segctl_verbs_synopses():
    page = verbs_of_page()
    wrong = []
    for verb in verbs_of_help():
        usage = re.search(r"^Usage: segctl \S+ (.*)$",
                          help_of("segctl", verb), flags=re.M).group(1)
        if verb in page and page[verb][0] != usage:
            wrong.append(f"{verb} {page[verb][0]}, but help: {usage}")
    assert not wrong, "; ".join(wrong)


def test_segctl_verbs_options():
    page = verbs_of_page()
    for verb in verbs_of_help():
        text = help_of("segctl", verb)
        takes = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, flags=re.M))
        listed = re.search(r"^\tTakes (.*?)\.\n", page.get(verb, ("", ""))[1],
                           flags=re.M | re.S)
        told = set(OPTION.findall(listed.group(1))) if listed else set()
        # Not every verb has options of its own.
        if told or takes - COMMON:
            same(f"options of {verb}", told, takes - COMMON)


def test_segctl_verbs_without_json():
    page = plain(sections(source("segctl.1"))["OPTIONS"])
    told = re.search(r"(\S+) and (\S+) do not take it", page)
    real = [verb for verb in verbs_of_help()
            if "--json" not in help_of("segctl", verb)]
    same("verbs", told.groups() if told else [], real)


def test_segctl_exit_codes():
    text = help_of("segctl").partition("\nExit status:\n")[2]
    text = text.partition("\n\n")[0]
    codes = re.findall(r"^  (\d+)  ", text, flags=re.M)
    codes += re.findall(r"\b(\d{3}) ", text.partition("  exec:")[2])
    page = sections(source("segctl.1"))["EXIT STATUS"]
    same("exit codes", code_entries(page), [int(code) for code in codes])


# ---- the configuration ----

KINDS = ("[broker]", "[total]", "[default]", "[user NAME]", "[group NAME]",
         "[access PATTERN]")


def expected_by(text):
    """What --check would have accepted in place of a text."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "segbroker.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        status, _output, errors = run(BUILD / "segbrokerd", "--check",
                                      "--config", path)
    assert status == 1, f"--check ended with {status}: {errors}"
    return errors


def keys_of_program(section):
    section = section.replace("NAME", "0").replace("PATTERN", "global/a")
    errors = expected_by(f"{section}\nnonesuch = 1\n")
    return errors.partition("expected one of ")[2].strip().split(", ")


def keys_of_page():
    """The keys that a section has in the page, with the text of the line."""
    found = {}
    for title, text in sections(source("segbroker.conf.5")).items():
        heads = {head.split("*")[1]: head for head in entries(text)
                 if " = " in head}
        for section in re.findall(r"\[[^]]*\]", title):
            found[section] = heads
    return found


def keys_of_example():
    """The keys of config/segbroker.conf, with their defaults. A section or key
    may be behind a `;`."""
    text = (TOP / "config" / "segbroker.conf").read_text(encoding="utf-8")
    found, section = {}, None
    for line in text.splitlines():
        head = re.match(r"(?:; )?(\[.*\])$", line)
        key = re.match(r"(;|; )([a-z_]+) = (.*)$", line)
        if head:
            section = head.group(1)
            section = re.sub(r"\[(user|group) .*", r"[\1 NAME]", section)
            section = re.sub(r"\[access .*", "[access PATTERN]", section)
            found.setdefault(section, {})
        elif key:
            found[section][key.group(2)] = key.group(3)
    return found


def test_conf_sections():
    errors = expected_by("[nonesuch]\n").partition("expected ")[2]
    same("sections", keys_of_page(), re.findall(r"\[[^]]*\]", errors))
    same("sections of the example", keys_of_page(), keys_of_example())
    same("sections of this test", KINDS, keys_of_page())


def test_conf_keys():
    page = keys_of_page()
    for section in KINDS:
        same(f"keys of {section}", page[section], keys_of_program(section))


def test_conf_keys_of_the_example():
    page, example = keys_of_page(), keys_of_example()
    for section in ("[broker]", "[total]", "[default]", "[access PATTERN]"):
        same(f"keys of {section}", page[section], example[section])


def test_conf_defaults():
    page, example = keys_of_page(), keys_of_example()
    wrong = []
    for section in ("[broker]", "[total]", "[default]"):
        for key, value in example[section].items():
            told = plain(page[section].get(key, "")).partition("(default: ")[2]
            if section != "[broker]":
                told = dict((where, what) for what, where in re.findall(
                    r"(\S+) in (\[\w+\])", told)).get(section)
            else:
                told = told.rstrip(")")
            if told != value:
                wrong.append(f"{section} {key}: {told}, but it is {value}")
    assert not wrong, "; ".join(wrong)


# ---- the library ----

def header():
    text = (TOP / "client" / "segbroker.h").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def squeezed(text):
    return re.sub(r"\s+", " ", text)


def declarations(text):
    """Functions, callbacks and structs of C, each in one line."""
    found = re.findall(r"^(?:const |uint64_t|intptr_t|size_t|int|void)[^;{}]*?"
                       r"\bsegb_\w+\([^;{}]*;", text, flags=re.M)
    found += re.findall(r"^typedef [^;{}]*\([^;{}]*;", text, flags=re.M)
    found += re.findall(r"^typedef struct \w+ \{.*?^\} \w+;", text,
                        flags=re.M | re.S)
    return {squeezed(declaration) for declaration in found}


def defines(text):
    found = re.findall(r"^#define (SEGB_\w+)(?:\(\w+\))? +(\S.*?) *$", text,
                       flags=re.M)
    return {name: value.strip("()") if value.startswith("(-") else value
            for name, value in found}


def test_library_functions():
    text = (TOP / "client" / "libsegbroker.map").read_text(encoding="utf-8")
    exported = re.findall(r"\b(segb_\w+);", text)
    page = re.findall(r"\b(segb_\w+)\(", literals(source("libsegbroker.3"))
                      .partition("int main(")[0])
    same("functions", page, exported)


def test_library_functions_are_explained():
    page = plain(re.sub(r"^```\n.*?^```$", "", source("libsegbroker.3"),
                        flags=re.M | re.S))
    explained = re.findall(r"\b(segb_\w+)\(\)", page)
    declared = re.findall(r"\b(segb_\w+)\(", header())
    same("explained", explained, declared)


def test_library_declarations():
    page = literals(source("libsegbroker.3")).partition("int main(")[0]
    same("declarations", declarations(page.replace("\\", "")),
         declarations(header()))


def test_library_options_are_explained():
    page = sections(source("libsegbroker.3"))
    entry = " ".join(plain(line) for text in page.values()
                     for line in re.findall(r"^_.*$", text, flags=re.M))
    for struct in re.findall(r"typedef struct \w+_options \{(.*?)\}", header(),
                             flags=re.S):
        for member in re.findall(r"\b(\w+);", struct):
            if member not in ("struct_size", "id") and \
                    not member.endswith("_count"):
                assert re.search(rf"\b{member}\b", entry), \
                    f"the page does not explain the option {member}"


def test_library_constants():
    page = source("libsegbroker.3")
    real = defines(header())
    same("mentioned", re.findall(r"\bSEGB_\w*[A-Z]\b", plain(page)), real)
    told = defines(literals(page))
    told.update(re.findall(r"^\*(SEGB_E_\w+)\* \((-\d+)\)$", page, flags=re.M))
    del real["SEGB_VERSION"]
    same("values", told.items(), real.items())


# ---- the Win32 calls ----

def filemapping_header():
    text = (TOP / "client" / "filemapping.h").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def prototypes(text):
    """The functions with Seg, each in one line."""
    return {squeezed(found) for found in re.findall(
        r"^\w+ Seg\w+\([^;{}]*;", text, flags=re.M)}


def test_filemapping_declarations():
    same("declarations", prototypes(literals(source("filemapping.3"))),
         prototypes(filemapping_header()))


def test_filemapping_functions_are_explained():
    page = plain(re.sub(r"^```\n.*?^```$", "", source("filemapping.3"),
                        flags=re.M | re.S))
    explained = re.findall(r"\b(Seg\w+)\(\)", page)
    same("explained", explained,
         re.findall(r"^\w+ (Seg\w+)\(", filemapping_header(), flags=re.M))


def test_filemapping_constants():
    kinds = r"(?:PAGE|SEC|FILE_MAP|ERROR|DUPLICATE)_\w*[A-Z]"
    page = plain(source("filemapping.3"))
    real = dict(re.findall(rf"^#define ({kinds}) (\w+)$",
                           filemapping_header(), flags=re.M))
    del real["ERROR_SUCCESS"]
    same("mentioned", re.findall(rf"\b{kinds}\b", page), real)
    told = re.findall(r"\b(ERROR_\w+) \((\d+)\)", page)
    wrong = [pair for pair in told if real.get(pair[0]) != pair[1]]
    assert told and not wrong, wrong


# ---- the pages as such ----

def build(page, folder):
    need("scdoc")
    path = os.path.join(folder, page)
    with open(PAGES[page], "rb") as text, open(path, "wb") as roff:
        result = subprocess.run(["scdoc"], stdin=text, stdout=roff,
                                stderr=subprocess.PIPE, timeout=60, check=False)
    assert result.returncode == 0 and not result.stderr, \
        f"scdoc: {result.stderr.decode()}"
    return path


def warnings_of(path):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "",
                   "MANWIDTH": "80"}
    if shutil.which("man"):
        return run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                   path, env=environment)[2]
    need("groff")
    return run("groff", "-wall", "-t", "-man", "-Kutf8", "-Tutf8", "-Z",
               path, env=environment)[2]


def check_page(page):
    with tempfile.TemporaryDirectory() as folder:
        warnings = warnings_of(build(page, folder))
        assert not warnings, warnings


def check_name(page):
    """That whatis and apropos find it."""
    need("lexgrog")
    with tempfile.TemporaryDirectory() as folder:
        path = build(page, folder)
        status, text, errors = run("lexgrog", path)
        name = page.rpartition(".")[0]
        assert status == 0 and f'"{name} - ' in text, text + errors


def test_pages_refer_to_pages_that_there_are():
    for page in PAGES:
        for name, number in re.findall(r"([a-z][a-z.]*segb[a-z.]*|seg[a-z.]+)"
                                       r"\(([1-8])\)", plain(source(page))):
            assert f"{name}.{number}" in PAGES, f"{page}: {name}({number})"


def test_all_pages_are_there():
    same("pages", PAGES, ["segbrokerd.8", "segctl.1", "segbroker.conf.5",
                          "libsegbroker.3", "filemapping.3", "segbroker.7"])


# ---- the runner ----

def run_one(name, test):
    try:
        test()
    except Skipped as why:
        print(f"skipped: {name}: {why}")
        return None
    except Exception as error:  # pylint: disable=broad-except
        kind = type(error).__name__
        print(f"not ok {name}: {kind}: {error}")
        return False
    print(f"ok {name}")
    return True


def main():
    tests = [(name[5:], function) for name, function in globals().items()
             if name.startswith("test_")]
    for page in sorted(PAGES):
        tests.append((f"builds {page}", lambda page=page: check_page(page)))
        tests.append((f"names {page}", lambda page=page: check_name(page)))
    results = [run_one(name, test) for name, test in tests]
    failed, skipped = results.count(False), results.count(None)
    line = f"{results.count(True)} passed, {failed} failed"
    print(line + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
