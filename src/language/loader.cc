#include "language/loader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"
#include "language/pattern.h"

namespace language {
namespace {

constexpr int64_t kMaxProcesses = 4096;
constexpr int64_t kMaxMemory = 1LL << 40;

// One table of the file. Every key that is asked for is remembered, so that Finish can refuse the
// others. The first problem is kept and everything after it is without meaning.
class Table {
 public:
  Table(const std::string& file, std::string name, const toml::table& table, std::string* error)
      : file_(file), name_(std::move(name)), table_(table), error_(error) {}

  const toml::node* Find(const char* key, bool required) {
    known_.insert(key);
    const toml::node* node = table_.get(key);
    if (node == nullptr && required) {
      Fail(Line(table_), "the key '" + Full(key) + "' is missing");
    }
    return node;
  }

  std::string String(const char* key, bool required) {
    const toml::node* node = Find(key, required);
    return node == nullptr ? "" : AsString(*node, Full(key));
  }

  std::vector<std::string> Strings(const char* key, bool required) {
    const toml::node* node = Find(key, required);
    std::vector<std::string> out;
    if (node == nullptr) {
      return out;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      Fail(Line(*node), "'" + Full(key) + "' must be a list of strings");
      return out;
    }
    for (const toml::node& element : *array) {
      out.push_back(AsString(element, "an element of '" + Full(key) + "'", true));
    }
    if (required && out.empty()) {
      Fail(Line(*node), "'" + Full(key) + "' must not be empty");
    }
    return out;
  }

  // A list of lists of strings; of one alone the outer brackets may be left out.
  std::vector<std::vector<std::string>> StringLists(const char* key) {
    const toml::node* node = Find(key, false);
    const toml::array* array = node == nullptr ? nullptr : node->as_array();
    if (array == nullptr || array->empty() || !array->front().is_array()) {
      std::vector<std::vector<std::string>> one;
      if (std::vector<std::string> list = Strings(key, false); !list.empty()) {
        one.push_back(std::move(list));
      }
      return one;
    }
    std::vector<std::vector<std::string>> out;
    for (const toml::node& element : *array) {
      const toml::array* list = element.as_array();
      if (list == nullptr) {
        Fail(Line(element), "'" + Full(key) + "' must be a list of lists of strings");
        return out;
      }
      for (std::vector<std::string>& strings = out.emplace_back(); const toml::node& text : *list) {
        strings.push_back(AsString(text, "an element of '" + Full(key) + "'", true));
      }
    }
    return out;
  }

  std::vector<std::pair<std::string, std::string>> Environment(const char* key) {
    std::vector<std::pair<std::string, std::string>> out;
    const toml::node* node = Find(key, false);
    if (node == nullptr) {
      return out;
    }
    const toml::table* table = AsTable(*node, key);
    if (table == nullptr) {
      return out;
    }
    for (const auto& [name, value] : *table) {
      const std::string text(name.str());
      if (text.empty() || text.find('=') != std::string::npos ||
          text.find('\0') != std::string::npos) {
        Fail(Line(value), "'" + base::Printable(text) + "' is not a name of a variable");
      }
      out.emplace_back(text, AsString(value, Full(key) + "." + base::Printable(text), true));
    }
    return out;
  }

  // An integer with the unit KiB, MiB or GiB.
  int64_t Size(const char* key) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) {
      return 0;
    }
    const std::string text = AsString(*node, Full(key));
    int64_t count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string unit(rest, text.data() + text.size());
    const int shift = unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : 0;
    if (error == std::errc() && shift != 0 && count > 0 && count <= kMaxMemory >> shift) {
      return count << shift;
    }
    Fail(Line(*node), "'" + Full(key) + "' must be a size such as \"512MiB\" or \"1GiB\"");
    return 0;
  }

  int64_t Number(const char* key, int64_t max) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) {
      return 0;
    }
    const toml::value<int64_t>* value = node->as_integer();
    if (value == nullptr || value->get() < 1 || value->get() > max) {
      Fail(Line(*node),
           "'" + Full(key) + "' must be a whole number from 1 to " + std::to_string(max));
      return 0;
    }
    return value->get();
  }

  bool Flag(const char* key, bool absent = false) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) {
      return absent;
    }
    const toml::value<bool>* value = node->as_boolean();
    if (value == nullptr) {
      Fail(Line(*node), "'" + Full(key) + "' must be true or false");
      return false;
    }
    return value->get();
  }

  const toml::table* Child(const char* key, bool required) {
    const toml::node* node = Find(key, required);
    return node == nullptr ? nullptr : AsTable(*node, key);
  }

  void Finish() {
    for (const auto& [key, value] : table_) {
      if (known_.count(std::string(key.str())) == 0) {
        const std::string text = base::Printable(key.str());
        Fail(static_cast<int64_t>(key.source().begin.line),
             "'" + (name_.empty() ? text : name_ + "." + text) + "' is not a known key");
      }
    }
  }

  void FailAt(const char* key, const std::string& message) {
    const toml::node* node = table_.get(key);
    Fail(Line(node == nullptr ? table_ : *node), "'" + Full(key) + "' " + message);
  }

  int64_t LineOf(const char* key) const {
    const toml::node* node = table_.get(key);
    return Line(node == nullptr ? table_ : *node);
  }

 private:
  static int64_t Line(const toml::node& node) {
    return std::max<int64_t>(1, static_cast<int64_t>(node.source().begin.line));
  }

  std::string Full(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }

  std::string AsString(const toml::node& node, const std::string& what, bool element = false) {
    const toml::value<std::string>* value = node.as_string();
    const std::string subject = element ? what : "'" + what + "'";
    if (value == nullptr) {
      Fail(Line(node), subject + " must be a string");
      return "";
    }
    if (value->get().find('\0') != std::string::npos) {
      Fail(Line(node), subject + " must not contain a NUL character");
      return "";
    }
    if (value->get().empty() && !element) {
      Fail(Line(node), subject + " must not be empty");
    }
    return value->get();
  }

  const toml::table* AsTable(const toml::node& node, const char* key) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      Fail(Line(node), "'" + Full(key) + "' must be a table");
    }
    return table;
  }

  void Fail(int64_t line, const std::string& message) {
    if (error_->empty()) {
      *error_ = file_ + ":" + std::to_string(line) + ": " + message;
    }
  }

  const std::string& file_;
  std::string name_;
  const toml::table& table_;
  std::string* error_;
  std::set<std::string> known_;
};

bool IsFileName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

bool IsName(const std::string& name) {
  return FullMatch(name, "[a-z][a-z0-9+#._-]{0,31}");
}

bool IsModule(const std::string& name) {
  return FullMatch(name, "[A-Za-z_][A-Za-z0-9_]{0,62}");
}

Step ReadStep(Table& table, bool compile) {
  Step step;
  step.argv = table.Strings("argv", true);
  step.env = table.Environment("env");
  step.memory_bytes = table.Size("memory");
  step.processes = table.Number("processes", kMaxProcesses);
  if (compile) {
    step.output = table.String("output", true);
    if (!step.output.empty() && !IsFileName(step.output)) {
      table.FailAt("output", "must be a file name without '/'");
    }
  } else {
    step.warm = table.Flag("warm");
    step.fork = table.Flag("fork", true);
    if (!step.fork && !step.warm) {
      table.FailAt("fork", "needs 'warm'");
    }
    step.preload = table.StringLists("preload");
    if (!step.preload.empty() && !(step.warm && step.fork)) {
      table.FailAt("preload", "needs 'warm', and 'fork'");
    }
    for (const std::vector<std::string>& modules : step.preload) {
      if (modules.empty() || !std::all_of(modules.begin(), modules.end(), IsModule)) {
        table.FailAt("preload", "must be names of modules");
      }
    }
  }
  table.Finish();
  return step;
}

LoadedLanguage Read(const toml::table& root, const std::string& file, std::string* error) {
  LoadedLanguage loaded;
  Language& out = loaded.language;
  Table top(file, "", root, error);
  out.id = top.String("id", true);
  out.name = top.String("name", true);
  out.aliases = top.Strings("aliases", false);
  out.extensions = top.Strings("extensions", true);
  out.source = top.String("source", true);
  out.sample = top.String("sample", true);
  out.install = top.String("install", true);
  if (!IsName(out.id)) {
    top.FailAt("id", "must be 1 to 32 of a-z, 0-9 and +#._- and begin with a letter");
  }
  loaded.names[out.id] = top.LineOf("id");
  for (const std::string& alias : out.aliases) {
    if (!IsName(alias)) {
      top.FailAt("aliases", "must be names of a-z, 0-9 and +#._- that begin with a letter");
    }
    if (!loaded.names.emplace(alias, top.LineOf("aliases")).second) {
      top.FailAt("aliases", "repeat the name '" + base::Printable(alias) + "'");
    }
  }
  if (!IsFileName(out.source)) {
    top.FailAt("source", "must be a file name without '/'");
  }
  if (const toml::table* detect = top.Child("detect", true)) {
    Table table(file, "detect", *detect, error);
    out.tools = table.Strings("tools", true);
    out.version_argv = table.Strings("version_argv", true);
    out.modules_argv = table.Strings("modules_argv", false);
    out.version_pattern = table.String("version_pattern", true);
    if (std::any_of(out.tools.begin(), out.tools.end(), [](const std::string& tool) {
          return tool.empty() || (tool[0] != '/' && tool.find('/') != std::string::npos);
        })) {
      table.FailAt("tools", "must be absolute paths or plain names");
    }
    const base::Result<void> pattern = CheckOneGroup(out.version_pattern);
    if (!pattern) {
      table.FailAt("version_pattern", pattern.error().message);
    }
    table.Finish();
  }
  if (const toml::table* compile = top.Child("compile", false)) {
    Table table(file, "compile", *compile, error);
    out.compile = ReadStep(table, true);
    if (out.compile->output == out.source) {
      table.FailAt("output", "must differ from 'source'");
    }
  }
  if (const toml::table* run = top.Child("run", true)) {
    Table table(file, "run", *run, error);
    out.run = ReadStep(table, false);
    if (out.run.warm && out.compile) {
      table.FailAt("warm", "needs a program that opens the source itself");
    }
  }
  if (const toml::table* warm_up = top.Child("warm_up", false)) {
    Table table(file, "warm_up", *warm_up, error);
    WarmUp& warm = out.warm_up.emplace();
    warm.argv = table.Strings("argv", true);
    warm.env = table.Environment("env");
    warm.mount = table.String("mount", true);
    if (!FullMatch(warm.mount, "/cache/[a-z0-9][a-z0-9._-]*")) {
      table.FailAt("mount", "must be /cache/ and one name");
    }
    table.Finish();
  }
  out.compiler_args = top.Strings("compiler_args", false);
  for (const std::string& pattern : out.compiler_args) {
    if (const base::Result<void> sound = CheckPattern(pattern); !sound) {
      top.FailAt("compiler_args", sound.error().message);
    }
  }
  const Step& taking = out.compile ? *out.compile : out.run;
  const bool placed =
      std::count(taking.argv.begin(), taking.argv.end(), std::string(kCompilerArgs)) == 1;
  if (placed == out.compiler_args.empty()) {
    top.FailAt("compiler_args", "and the element '" + std::string(kCompilerArgs) + "' of " +
                                    (out.compile ? "compile" : "run") +
                                    ".argv must be there both or neither");
  }
  top.Finish();
  return loaded;
}

}  // namespace

base::Result<LoadedLanguage> ParseLanguage(std::string_view text, const std::string& file) {
  try {
    const toml::table root = toml::parse(text, file);
    std::string error;
    LoadedLanguage loaded = Read(root, file, &error);
    if (!error.empty()) {
      return base::InvalidArgument(error);
    }
    return loaded;
  } catch (const toml::parse_error& e) {
    return base::InvalidArgument(file + ":" + std::to_string(e.source().begin.line) + ": " +
                                 base::Printable(e.description()));
  }
}

std::string Expand(std::string text, std::string_view name, std::string_view value) {
  for (size_t at = text.find(name); at != std::string::npos;
       at = text.find(name, at + value.size())) {
    text.replace(at, name.size(), value);
  }
  return text;
}

}  // namespace language
