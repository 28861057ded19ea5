#include "sandbox/warm_program.h"

#include <algorithm>
#include <string_view>

namespace sandbox {
namespace {

// Whether CPython, when it starts, would take the source for an archive of modules to run: it looks
// for that at the path, before it opens the file.
bool LooksLikeArchive(const std::string& content) {
  return content.find("PK\x05\x06") != std::string::npos;
}

// Node.js has looked for this before it opens the source; it tells how that is to be read.
bool IsPackage(const InputFile& file) {
  return file.path == "package.json";
}

bool Contains(const std::vector<std::string>& modules, std::string_view name) {
  return std::find(modules.begin(), modules.end(), name) != modules.end();
}

// Whether a line of Python's begins with an import of one of these. What is imported in other ways
// is only slower.
bool ImportsAny(std::string_view source, const std::vector<std::string>& modules) {
  constexpr std::string_view kSpace = " \t";
  while (!source.empty()) {
    std::string_view line = source.substr(0, source.find('\n'));
    source.remove_prefix(std::min(line.size() + 1, source.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    if (!line.starts_with("import ") && !line.starts_with("from ")) {
      continue;
    }
    const bool one = line.starts_with("from ");
    line.remove_prefix(line.find(' ') + 1);
    while (!line.empty()) {
      line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
      if (Contains(modules, line.substr(0, line.find_first_of(" \t.,;\r")))) {
        return true;
      }
      line.remove_prefix(one ? line.size() : std::min(line.find(','), line.size() - 1) + 1);
    }
  }
  return false;
}

// Whether a file of the work folder is a module or package that Python would find before its own.
bool IsModule(const std::string& path, const std::vector<std::string>& modules) {
  return Contains(modules, std::string_view(path).substr(0, path.find_first_of("./")));
}

// A process that was forked ahead holds about this much already, and memory for a job that has less
// is counted from its first page. One that was started ahead holds all that its start takes,
// threads too.
constexpr int64_t kLeastForkedMemory = 32 << 20;
constexpr int64_t kLeastStartedMemory = 128 << 20;
constexpr int64_t kLeastStartedProcesses = 16;

bool HasRoom(const Limits& limits, const WarmProgram& program) {
  return program.forks ? limits.memory_bytes >= kLeastForkedMemory
                       : limits.memory_bytes >= kLeastStartedMemory &&
                             limits.processes >= kLeastStartedProcesses;
}

}  // namespace

uint32_t WarmNumber(const Spec& spec, const std::vector<WarmProgram>& programs) {
  uint32_t number = 0;
  for (size_t i = 0; i < programs.size() && !spec.terminal; ++i) {
    const WarmProgram& program = programs[i];
    // Python has looked at its stdin, which was a file.
    const bool fits = !(spec.live_input && program.forks) && HasRoom(spec.limits, program);
    const auto is_source = [&](const InputFile& file) {
      return file.path == program.source && file.fd == nullptr && !LooksLikeArchive(file.content) &&
             (program.imports.empty() || ImportsAny(file.content, program.imports));
    };
    const auto shadows = [&](const InputFile& file) {
      return IsModule(file.path, program.preload) || (!program.forks && IsPackage(file));
    };
    if (spec.profile == Profile::kRun && fits && spec.argv == program.argv &&
        spec.env == program.env && std::any_of(spec.files.begin(), spec.files.end(), is_source) &&
        std::none_of(spec.files.begin(), spec.files.end(), shadows)) {
      number = static_cast<uint32_t>(i) + 1;
    }
  }
  return number;
}

}  // namespace sandbox
