# How the Makefile builds for Windows, with mingw-w64: PLATFORM=windows.

endings := windows
EXE := .exe
CC := x86_64-w64-mingw32-gcc
WINDRES := x86_64-w64-mingw32-windres
windows_libraries := $(BUILD)/deps
CPPFLAGS += -I$(windows_libraries)/include -D_WIN32_WINNT=0x0A00 \
	-DWIN32_LEAN_AND_MEAN -DUNICODE -D_UNICODE -D__USE_MINGW_ANSI_STDIO=1 \
	-D_GNU_SOURCE
# The compiler takes `printf` for the C runtime's, which knows no %zu; that of
# mingw-w64, which is linked, does. The build for POSIX checks formats.
STRICT += -Wno-format -Wno-format-nonliteral -Wno-pedantic-ms-format
LDFLAGS += -L$(windows_libraries)/lib -static -fstack-protector-strong -Wl,--nxcompat \
	-Wl,--dynamicbase -Wl,--high-entropy-va
SYSTEM_LIBS := -ladvapi32 -lntdll
CLIENT_LIBS = -lcjson $(SYSTEM_LIBS)
UV_LIBS = -luv -lcjson -linih -lpsapi -liphlpapi -luserenv -lws2_32 \
	-luser32 -ldbghelp -lole32 -lshell32 -luuid $(SYSTEM_LIBS)
CHECK_LIBS = -lcheck -lpthread
libraries := $(BUILD)/segbroker.dll
resources := $(BUILD)/events.o

deps deps-check:
	@:
