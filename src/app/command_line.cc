#include "app/command_line.h"

#include <getopt.h>

#include <cstdio>
#include <string_view>

#include "app/config.h"
#include "app/key_command.h"

namespace app {
namespace {

constexpr char kHelp[] =
    "sandboxd " PROJECT_VERSION
    ": runs untrusted code over HTTP.\n"
    "\n"
    "  sandboxd                        serve\n"
    "  sandboxd --role=api|worker|all  serve in this role, whatever ROLE says\n"
    "  sandboxd keys create NAME [JSON]   make an API key and print it, this once; JSON: its "
    "limits,\n"
    "                                  such as {\"rate\": \"10/s\", \"admin\": true}\n"
    "  sandboxd keys list              the keys in the store\n"
    "  sandboxd keys revoke ID         take one away\n"
    "  sandboxd --doctor               say what this machine offers and what is missing\n"
    "  sandboxd --print-config-docs    the table of all environment variables, in Markdown\n"
    "  sandboxd --version\n"
    "\n"
    "Configuration is by environment variables only:\n";

constexpr option kOptions[] = {{"help", no_argument, nullptr, 'h'},
                               {"version", no_argument, nullptr, 'v'},
                               {"print-config-docs", no_argument, nullptr, 'd'},
                               {"doctor", no_argument, nullptr, 'c'},
                               {"role", required_argument, nullptr, 'r'},
                               {nullptr, 0, nullptr, 0}};

}  // namespace

std::optional<CommandLine> ReadCommandLine(int argc, char** argv, int* exit_code) {
  CommandLine out;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread yet
  int choice = ::getopt_long(argc, argv, "hv", kOptions, nullptr);
  while (choice == 'r') {
    out.role = ::optarg;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread yet
    choice = ::getopt_long(argc, argv, "hv", kOptions, nullptr);
  }
  *exit_code = 0;
  if (choice == 'h') {
    std::fputs((kHelp + ConfigHelp()).c_str(), stdout);
    return std::nullopt;
  }
  if (choice == 'v') {
    std::puts(PROJECT_VERSION);
    return std::nullopt;
  }
  if (choice == 'd') {
    std::fputs(ConfigMarkdown().c_str(), stdout);
    return std::nullopt;
  }
  if (choice == -1 && ::optind < argc && std::string_view(argv[::optind]) == "keys") {
    out.keys.assign(argv + ::optind + 1, argv + argc);
    if (IsKeyCommand(out.keys)) {
      return out;
    }
  }
  if ((choice != -1 && choice != 'c') || ::optind < argc) {
    std::fputs("sandboxd: unknown option or argument; see sandboxd --help\n", stderr);
    *exit_code = kUsageError;
    return std::nullopt;
  }
  out.doctor = choice == 'c';
  return out;
}

}  // namespace app
