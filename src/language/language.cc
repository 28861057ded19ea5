#include "language/language.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "language/detect.h"
#include "language/loader.h"
#include "language/pattern.h"
#include "language/warm_up.h"

namespace language {
namespace {

namespace fs = std::filesystem;

constexpr base::Nanos kWarmUpDeadline = 15 * base::kMinute;
constexpr size_t kMaxCompilerArg = 200;

base::Result<std::vector<std::string>> ListFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".toml") {
      files.push_back(it->path().string());
    }
  }
  if (error) {
    return base::SysError("open " + folder, error.value());
  }
  if (files.empty()) {
    return base::Error{base::ErrorKind::kNotFound, folder + " holds no language file (*.toml)", 0};
  }
  std::sort(files.begin(), files.end());
  return files;
}

base::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream || !text) {
    return base::Internal("read " + path + " failed");
  }
  return text.str();
}

}  // namespace

std::vector<std::string> StepArgv(const Step& step, std::string_view source,
                                  const std::vector<std::string>& compiler_args) {
  std::vector<std::string> argv;
  for (const std::string& arg : step.argv) {
    if (arg == kCompilerArgs) {
      argv.insert(argv.end(), compiler_args.begin(), compiler_args.end());
    } else {
      argv.push_back(Expand(arg, "{source}", source));
    }
  }
  return argv;
}

bool AcceptsCompilerArg(const Language& language, const std::string& arg) {
  return arg.size() <= kMaxCompilerArg &&
         std::any_of(language.compiler_args.begin(), language.compiler_args.end(),
                     [&](const std::string& pattern) { return FullMatch(arg, pattern.c_str()); });
}

base::Result<Registry> Registry::Load(const std::string& folder) {
  const base::Result<std::vector<std::string>> files = ListFiles(folder);
  if (!files) {
    return files.error();
  }
  Registry registry;
  std::map<std::string, std::string> taken;  // name to where it was given
  for (const std::string& file : *files) {
    const base::Result<std::string> text = ReadFile(file);
    if (!text) {
      return text.error();
    }
    base::Result<LoadedLanguage> loaded = ParseLanguage(*text, file);
    if (!loaded) {
      return loaded.error();
    }
    for (const auto& [name, line] : loaded->names) {
      const std::string place = file + ":" + std::to_string(line);
      const auto [other, inserted] = taken.emplace(name, place);
      if (!inserted) {
        return base::InvalidArgument(place + ": the name '" + name + "' is already taken at " +
                                     other->second);
      }
    }
    registry.languages_.push_back(std::move(loaded->language));
  }
  return registry;
}

void Registry::Detect(const Place& place) {
  DetectOptions options;
  options.place = place;
  for (Language& language : languages_) {
    BlockingDetect(options, &language);
  }
}

std::vector<CacheMount> Registry::BlockingWarmUp(const std::string& cache_root,
                                                 const std::function<void(std::string)>& say,
                                                 const Place& place) {
  std::vector<CacheMount> mounts;
  for (Language& language : languages_) {
    if (!language.available || !language.warm_up) {
      continue;
    }
    base::Result<std::string> folder =
        BlockingWarmUpOne(language, cache_root, kWarmUpDeadline, say, place);
    if (!folder) {
      language.available = false;
      language.unavailable_reason = "its warm-up failed: " + folder.error().message;
      say(language.name + ": " + language.unavailable_reason);
      continue;
    }
    mounts.push_back({*std::move(folder), language.warm_up->mount});
  }
  return mounts;
}

void Registry::Offer(std::string_view id, std::string version) {
  for (Language& language : languages_) {
    if (language.id == id) {
      language.available = true;
      language.version = std::move(version);
      language.unavailable_reason.clear();
      return;
    }
  }
}

void Registry::Withdraw(std::string_view id, std::string reason) {
  for (Language& language : languages_) {
    if (language.id == id) {
      language.available = false;
      language.version.clear();
      language.unavailable_reason = std::move(reason);
      return;
    }
  }
}

void Registry::Replace(Language language) {
  for (Language& other : languages_) {
    if (other.id == language.id) {
      other = std::move(language);
      return;
    }
  }
}

const Language* Registry::Find(std::string_view name) const {
  for (const Language& language : languages_) {
    if (language.id == name || std::find(language.aliases.begin(), language.aliases.end(), name) !=
                                   language.aliases.end()) {
      return &language;
    }
  }
  return nullptr;
}

}  // namespace language
