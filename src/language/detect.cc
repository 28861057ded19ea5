#include "language/detect.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

#include "base/text.h"
#include "language/loader.h"
#include "language/pattern.h"
#include "language/process.h"

namespace language {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    out.push_back(part);
  }
  return out;
}

bool IsExecutable(const std::string& path) {
  struct stat st {};

  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

bool IsBelow(const fs::path& path, const fs::path& root) {
  const fs::path relative = path.lexically_relative(root);
  return !relative.empty() && *relative.begin() != "..";
}

bool IsBelowAny(const fs::path& path, const std::vector<std::string>& roots) {
  for (const std::string& root : roots) {
    std::error_code ignored;
    const fs::path real = fs::canonical(root, ignored);
    if (!ignored && IsBelow(path, real)) {
      return true;
    }
  }
  return false;
}

// The paths that a candidate stands for, best first.
std::vector<std::string> Paths(const std::string& candidate, const DetectOptions& options) {
  if (candidate[0] == '/') {
    return {candidate};
  }
  std::vector<std::string> out;
  for (const std::string& folder : options.path.empty() ? Split(kToolPath, ':') : options.path) {
    out.push_back(folder + "/" + candidate);
  }
  return out;
}

// The path under which jobs find the tool. A name below a root is kept, links and all, because
// tools may behave by their name; what is reached only through a link from elsewhere is resolved.
std::optional<std::string> VisiblePath(const std::string& path, const DetectOptions& options) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error || !IsBelowAny(real, options.roots)) {
    return std::nullopt;
  }
  const fs::path folder = fs::canonical(fs::path(path).parent_path(), error);
  if (!error && IsBelowAny(folder / "x", options.roots)) {
    return path;
  }
  return real.string();
}

constexpr int kNoProgram = 127;  // the exit code with which shells and our view say so

// Runs a tool where jobs run.
base::Result<CommandResult> BlockingRunThere(Command command, const DetectOptions& options) {
  command.deadline = options.deadline;
  if (options.place.elsewhere()) {
    const std::vector<std::string> prefix = options.place.prefix(nullptr);
    command.argv.insert(command.argv.begin(), prefix.begin(), prefix.end());
  }
  return BlockingRun(command);
}

// kNotFound: there is no such program at the place.
base::Result<std::string> BlockingVersion(const std::string& tool, const Language& language,
                                          const DetectOptions& options) {
  const base::Result<CommandResult> result =
      BlockingRunThere(VersionCommand(language, tool), options);
  if (!result) {
    return result.error();
  }
  if (result->exit_code == kNoProgram && options.place.elsewhere()) {
    return base::Error{base::ErrorKind::kNotFound, tool + " is not there", 0};
  }
  return ReadVersion(language, tool, *result);
}

// Leaves of what is to be loaded ahead the modules that are there. When they cannot be asked for,
// none: all starts without.
void BlockingKeepInstalled(const DetectOptions& options, Language* language) {
  std::vector<std::vector<std::string>>& sets = language->run.preload;
  if (sets.empty() || language->modules_argv.empty()) {
    return;
  }
  Command command;
  for (const std::string& arg : language->modules_argv) {
    command.argv.push_back(Expand(arg, "{tool}", language->tool));
  }
  for (const std::vector<std::string>& modules : sets) {
    command.argv.insert(command.argv.end(), modules.begin(), modules.end());
  }
  command.env = ToolEnv(language->run.env);
  const base::Result<CommandResult> said = BlockingRunThere(std::move(command), options);
  std::istringstream words(said && said->exit_code == 0 ? said->output : "");
  const std::set<std::string> installed{std::istream_iterator<std::string>(words), {}};
  for (std::vector<std::string>& modules : sets) {
    std::erase_if(modules, [&](const std::string& m) { return installed.count(m) == 0; });
  }
  std::erase_if(sets, [](const std::vector<std::string>& modules) { return modules.empty(); });
}

std::string Stamp(const std::string& tool) {
  struct stat st {};

  return ::stat(tool.c_str(), &st) == 0
             ? std::to_string(st.st_size) + " " + std::to_string(st.st_mtim.tv_sec)
             : "";
}

void ExpandStep(const Language& language, std::vector<std::string>* argv) {
  for (std::string& arg : *argv) {
    arg = Expand(arg, "{tool}", language.tool);
  }
}

}  // namespace

std::vector<std::string> ToolPaths(const Language& language, const DetectOptions& options) {
  std::vector<std::string> out;
  for (const std::string& candidate : language.tools) {
    for (std::string& path : Paths(candidate, options)) {
      if (std::find(out.begin(), out.end(), path) == out.end()) {
        out.push_back(std::move(path));
      }
    }
  }
  return out;
}

Command VersionCommand(const Language& language, const std::string& tool) {
  Command command;
  for (const std::string& arg : language.version_argv) {
    command.argv.push_back(Expand(arg, "{tool}", tool));
  }
  command.env = ToolEnv(language.compile ? language.compile->env : language.run.env);
  return command;
}

base::Result<std::string> ReadVersion(const Language& language, const std::string& tool,
                                      const CommandResult& result) {
  if (result.exit_code != 0) {
    return base::Internal(tool + " ended with exit code " + std::to_string(result.exit_code) +
                          " when asked for its version: " + base::Printable(result.output));
  }
  std::optional<std::string> version = FindGroup(result.output, language.version_pattern);
  if (!version) {
    return base::Internal(tool + " answered without a version: " + base::Printable(result.output));
  }
  return *std::move(version);
}

void Adopt(const std::string& tool, const std::string& version, Language* language) {
  language->available = true;
  language->unavailable_reason.clear();
  language->tool = tool;
  language->version = version;
  ExpandStep(*language, &language->version_argv);
  ExpandStep(*language, &language->run.argv);
  if (language->compile) {
    ExpandStep(*language, &language->compile->argv);
  }
  if (language->warm_up) {
    ExpandStep(*language, &language->warm_up->argv);
  }
}

void BlockingDetect(const DetectOptions& options, Language* language) {
  std::string reason;
  const bool elsewhere = options.place.elsewhere();
  for (const std::string& path : ToolPaths(*language, options)) {
    if (!elsewhere && !IsExecutable(path)) {
      continue;
    }
    const std::optional<std::string> visible = elsewhere ? path : VisiblePath(path, options);
    if (!visible) {
      reason = path + " lies outside of " + options.roots.front() + ", where jobs cannot see it";
      continue;
    }
    base::Result<std::string> version = BlockingVersion(*visible, *language, options);
    if (!version) {
      if (version.error().kind != base::ErrorKind::kNotFound || !elsewhere) {
        reason = version.error().message;
      }
      continue;
    }
    language->tool_stamp = elsewhere ? options.place.key : Stamp(*visible);
    Adopt(*visible, *version, language);
    BlockingKeepInstalled(options, language);
    return;
  }
  language->available = false;
  if (reason.empty()) {
    reason = "none of its tools was found" +
             (options.place.elsewhere() ? " in " + options.place.name : "") + ":";
    for (const std::string& tool : language->tools) {
      reason += (reason.back() == ':' ? " " : ", ") + tool;
    }
  }
  language->unavailable_reason = reason;
}

}  // namespace language
