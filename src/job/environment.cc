#include "job/environment.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace job {
namespace {

constexpr std::string_view kRefusedPrefix = "LD_";

constexpr std::array<std::string_view, 32> kRefused = {"PATH",
                                                       "IFS",
                                                       "ENV",
                                                       "BASH_ENV",
                                                       "BASHOPTS",
                                                       "SHELLOPTS",
                                                       "PS4",
                                                       "CDPATH",
                                                       "PYTHONSTARTUP",
                                                       "PYTHONHOME",
                                                       "PYTHONPATH",
                                                       "PYTHONINSPECT",
                                                       "PYTHONUSERBASE",
                                                       "PYTHONEXECUTABLE",
                                                       "PYTHONBREAKPOINT",
                                                       "PYTHONWARNINGS",
                                                       "GOFLAGS",
                                                       "GOENV",
                                                       "GOROOT",
                                                       "NODE_OPTIONS",
                                                       "NODE_PATH",
                                                       "PERL5OPT",
                                                       "PERL5LIB",
                                                       "PERL5DB",
                                                       "RUBYOPT",
                                                       "RUBYLIB",
                                                       "LUA_INIT",
                                                       "CLASSPATH",
                                                       "JAVA_TOOL_OPTIONS",
                                                       "GCONV_PATH",
                                                       "LOCPATH",
                                                       "GLIBC_TUNABLES"};

}  // namespace

std::optional<std::string_view> VariableProblem(std::string_view name) {
  static_assert(kMaxVariableName == 128, "the text below tells it");
  const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  if (name.empty() || name.size() > kMaxVariableName || (!letter(name[0]) && name[0] != '_') ||
      !std::all_of(name.begin(), name.end(), [&](char c) {
        return letter(c) || c == '_' || std::isdigit(static_cast<unsigned char>(c)) != 0;
      })) {
    return "must be 1 to 128 letters, digits and '_', not beginning with a digit";
  }
  const bool refused = name.substr(0, kRefusedPrefix.size()) == kRefusedPrefix ||
                       std::find(kRefused.begin(), kRefused.end(), name) != kRefused.end();
  if (refused) {
    return "is not accepted: it would change how programs are found or loaded";
  }
  return std::nullopt;
}

}  // namespace job
