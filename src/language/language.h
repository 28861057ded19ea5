#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Languages as data: one TOML file each. A file names how to find the toolchain on this machine,
// how to compile (optional) and how to run.
namespace language {

struct Step {
  // {tool} is already replaced after Detect; the rest by StepArgv.
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
  std::string output;        // compile: the file that the run step needs
  int64_t memory_bytes = 0;  // 0: the service's default; else at least this much
  int64_t processes = 0;     // likewise
  bool warm = false;         // run: may be started ahead, up to the opening of the source
  bool fork = true;          // with warm: one start serves many jobs
  // run: sets of modules of Python's to load ahead; after Detect those that are there.
  std::vector<std::vector<std::string>> preload;
};

// Done once per toolchain version, outside of any job, before the language becomes available: fills
// a cache folder that jobs then see read-only.
struct WarmUp {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
  std::string mount;  // where jobs see the folder: "/cache/go"
};

struct Language {
  std::string id;
  std::string name;
  std::vector<std::string> aliases;
  std::vector<std::string> extensions;
  std::string source;              // file name of the submitted code, unless the client names it
  std::string sample;              // a program that prints a greeting
  std::string install;             // what to type when the toolchain is absent
  std::vector<std::string> tools;  // candidates: absolute paths, or names looked up in PATH
  std::vector<std::string> version_argv;
  std::vector<std::string> modules_argv;  // prints those of further arguments that are modules
  std::string version_pattern;            // ECMAScript regular expression with one group
  std::optional<Step> compile;
  Step run;
  std::optional<WarmUp> warm_up;
  std::vector<std::string> compiler_args;  // regular expressions: what clients may pass

  // Set by Detect.
  bool available = false;
  std::string tool;  // absolute path of the chosen candidate
  std::string version;
  std::string tool_stamp;  // size and time of the tool's file: an update may keep the version
  std::string unavailable_reason;
};

// The command of a step for the entrypoint `source`: {source} replaced, and the element
// {compiler_args} by the client's.
std::vector<std::string> StepArgv(const Step& step, std::string_view source,
                                  const std::vector<std::string>& compiler_args);

// Whether clients may pass `arg` to the compiler, or to the interpreter where there is none.
bool AcceptsCompilerArg(const Language& language, const std::string& arg);

// A read-only folder of ours that every sandbox shows at `target`.
struct CacheMount {
  std::string source;
  std::string target;
};

// Where jobs run, when it is not this machine's own file system: a prepared root, a container.
struct Place {
  std::string name;  // for messages, which clients see
  std::string key;   // tells its content from that of others
  // What is put before a command's words to run it there, with the folder `cache` (may be null)
  // writable at its target.
  std::function<std::vector<std::string>(const CacheMount* cache)> prefix;

  bool elsewhere() const { return static_cast<bool>(prefix); }
};

// The languages of this machine, or of the workers that this node takes jobs for. Not thread-safe.
class Registry {
 public:
  // Reads every *.toml of `folder`, strictly: an unknown key, a wrong type, a duplicate id or alias
  // is an error that names file and line.
  static base::Result<Registry> Load(const std::string& folder);

  // Finds toolchains and their versions by running them where jobs run. Blocking (each at most
  // 10 s).
  void Detect(const Place& place = {});

  // Runs the warm-ups whose stamp under `cache_root` is missing, telling progress through `say`.
  // Blocking; a failing warm-up makes that language unavailable with the reason. Returns the mounts
  // to give to the launcher.
  std::vector<CacheMount> BlockingWarmUp(const std::string& cache_root,
                                         const std::function<void(std::string)>& say,
                                         const Place& place = {});

  // What other machines offer, instead of Detect. Unknown ids are ignored.
  void Offer(std::string_view id, std::string version);
  void Withdraw(std::string_view id, std::string reason);

  // Takes the place of the language with the same id. For backends that find toolchains elsewhere
  // than on this machine; only while the one replaced is not available, because jobs hold pointers.
  void Replace(Language language);

  // By id or alias; nullptr when unknown. Case-sensitive.
  const Language* Find(std::string_view name) const;

  const std::vector<Language>& all() const { return languages_; }

 private:
  std::vector<Language> languages_;
};

}  // namespace language
