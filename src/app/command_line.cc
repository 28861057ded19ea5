#include "app/command_line.h"

#include <getopt.h>

#include <cstdio>

#include "app/config.h"

namespace app {
namespace {

constexpr char kHelp[] =
    "sandboxd " PROJECT_VERSION
    ": runs untrusted code over HTTP.\n"
    "\n"
    "  sandboxd                        serve\n"
    "  sandboxd --role=api|worker|all  serve in this role, whatever ROLE says\n"
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
  if ((choice != -1 && choice != 'c') || ::optind < argc) {
    std::fputs("sandboxd: unknown option or argument; see sandboxd --help\n", stderr);
    *exit_code = kUsageError;
    return std::nullopt;
  }
  out.doctor = choice == 'c';
  return out;
}

}  // namespace app
