#include "sandbox/policy.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

namespace sandbox {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Result;

// The kernel takes most arguments as 32-bit integers while a filter sees 64 bits: comparing more
// would let a caller slip past a rule by setting upper bits.
constexpr uint64_t kLow32 = 0xFFFFFFFF;

struct Context {
  explicit Context(uint32_t action) : handle(seccomp_init(action)) {}

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ~Context() { seccomp_release(handle); }

  scmp_filter_ctx handle;
};

std::optional<uint32_t> ParseAction(std::string_view text) {
  static const std::map<std::string_view, uint32_t> kActions = {
      {"allow", SCMP_ACT_ALLOW},          {"kill", SCMP_ACT_KILL_PROCESS},
      {"EPERM", SCMP_ACT_ERRNO(EPERM)},   {"ENOSYS", SCMP_ACT_ERRNO(ENOSYS)},
      {"EACCES", SCMP_ACT_ERRNO(EACCES)}, {"EAFNOSUPPORT", SCMP_ACT_ERRNO(EAFNOSUPPORT)},
  };
  const auto found = kActions.find(text);
  return found == kActions.end() ? std::nullopt : std::optional(found->second);
}

class File {
 public:
  File(std::string path, const toml::table& root) : path_(std::move(path)), root_(root) {}

  Error At(const toml::source_region& where, const std::string& message) const {
    return InvalidArgument(path_ + ":" + std::to_string(where.begin.line) + ": " + message);
  }

  // Every key of `table` must be one of `known`.
  Result<void> CheckKeys(const toml::table& table,
                         std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : table) {
      bool found = false;
      for (const std::string_view name : known) {
        found = found || key.str() == name;
      }
      if (!found) {
        return At(key.source(), "unknown key '" + std::string(key.str()) + "'");
      }
    }
    return {};
  }

  Result<uint32_t> Action(const toml::table& table, const char* key, uint32_t fallback) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      return fallback;
    }
    const auto text = node->value_exact<std::string_view>();
    const auto action = text ? ParseAction(*text) : std::nullopt;
    if (!action) {
      return At(node->source(),
                std::string(key) + " must be allow, kill, EPERM, ENOSYS, EACCES or EAFNOSUPPORT");
    }
    return *action;
  }

  Result<void> AddRules(scmp_filter_ctx filter, uint32_t default_action) const {
    const toml::array* rules = root_["rule"].as_array();
    if (rules == nullptr) {
      return At(root_.source(), "at least one [[rule]] is needed");
    }
    for (const toml::node& node : *rules) {
      const toml::table* rule = node.as_table();
      if (rule == nullptr) {
        return At(node.source(), "rule must be a table");
      }
      if (auto added = AddRule(filter, *rule, default_action); !added) {
        return added;
      }
    }
    return {};
  }

 private:
  Result<void> AddRule(scmp_filter_ctx filter, const toml::table& rule,
                       uint32_t default_action) const {
    if (auto keys = CheckKeys(rule, {"calls", "reason", "action", "args"}); !keys) {
      return keys;
    }
    if (!rule["reason"].is_string()) {
      return At(rule.source(), "a rule needs a reason");
    }
    auto action = Action(rule, "action", SCMP_ACT_ALLOW);
    if (!action) {
      return action.error();
    }
    if (*action == default_action) {
      return At(rule.source(), "the rule's action is the default action");
    }
    auto args = ParseArgs(rule);
    if (!args) {
      return args.error();
    }
    const toml::array* calls = rule["calls"].as_array();
    if (calls == nullptr || calls->empty()) {
      return At(rule.source(), "calls must be a list of system call names");
    }
    for (const toml::node& node : *calls) {
      const auto name = node.value_exact<std::string>();
      const int number = name ? seccomp_syscall_resolve_name(name->c_str()) : __NR_SCMP_ERROR;
      if (number == __NR_SCMP_ERROR) {
        return At(node.source(),
                  "unknown system call" + (name ? " '" + *name + "'" : std::string()));
      }
      if (number < 0) {
        continue;  // exists on other architectures only
      }
      const int error = seccomp_rule_add_exact_array(
          filter, *action, number, static_cast<unsigned>(args->size()), args->data());
      if (error != 0) {
        return At(node.source(), "libseccomp refuses the rule for '" + *name + "': errno " +
                                     std::to_string(-error));
      }
    }
    return {};
  }

  // args = [{index = 0, mask = 0x7E020000, value = 0}, ...]: all must hold.
  Result<std::vector<scmp_arg_cmp>> ParseArgs(const toml::table& rule) const {
    std::vector<scmp_arg_cmp> out;
    const toml::node* node = rule.get("args");
    if (node == nullptr) {
      return out;
    }
    const toml::array* args = node->as_array();
    if (args == nullptr) {
      return At(node->source(), "args must be a list of {index, value, mask}");
    }
    for (const toml::node& item : *args) {
      const toml::table* arg = item.as_table();
      if (arg == nullptr) {
        return At(item.source(), "an argument must be {index, value, mask}");
      }
      if (auto keys = CheckKeys(*arg, {"index", "value", "mask"}); !keys) {
        return keys.error();
      }
      const auto index = (*arg)["index"].value_exact<int64_t>();
      const auto value = (*arg)["value"].value_exact<int64_t>();
      const int64_t mask = (*arg)["mask"].value_or(int64_t{kLow32});
      if (!index || *index < 0 || *index > 5 || !value || *value < 0 || *value > int64_t{kLow32} ||
          mask <= 0 || mask > int64_t{kLow32}) {
        return At(item.source(), "index must be 0 to 5, value and mask 32-bit numbers");
      }
      out.push_back({static_cast<unsigned>(*index), SCMP_CMP_MASKED_EQ, static_cast<uint64_t>(mask),
                     static_cast<uint64_t>(*value)});
    }
    return out;
  }

  std::string path_;
  const toml::table& root_;
};

Result<base::UniqueFd> Compile(const std::string& path, const toml::table& root) {
  const File file(path, root);
  if (auto keys = file.CheckKeys(root, {"default", "rule"}); !keys) {
    return keys.error();
  }
  auto action = file.Action(root, "default", SCMP_ACT_ERRNO(ENOSYS));
  if (!action) {
    return action.error();
  }
  const Context filter(*action);
  // Numbers of other architectures, and x32's, mean other calls: whoever uses one is killed.
  if (filter.handle == nullptr ||
      seccomp_attr_set(filter.handle, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
      // 2: a binary tree over the numbers; a linear program costs several times as much to install
      // and run.
      seccomp_attr_set(filter.handle, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) {
    return base::Internal("libseccomp cannot set up a filter");
  }
  if (auto added = file.AddRules(filter.handle, *action); !added) {
    return added.error();
  }
  base::UniqueFd memfd(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memfd.valid() || seccomp_export_bpf(filter.handle, memfd.get()) != 0) {
    return base::SysError("export " + path, errno);
  }
  return memfd;
}

}  // namespace

Result<base::UniqueFd> CompileFilter(const std::string& file) {
  try {
    const toml::table root = toml::parse_file(file);
    return Compile(file, root);
  } catch (const toml::parse_error& e) {
    std::ostringstream text;
    text << file << ":" << e.source().begin.line << ": " << e.description();
    return InvalidArgument(text.str());
  }
}

Result<Filters> CompileFilters(const std::string& folder) {
  static constexpr std::array<const char*, wire::kPolicies> kNames = {"run", "compile", "init"};
  Filters filters;
  for (size_t i = 0; i < kNames.size(); ++i) {
    auto filter = CompileFilter(folder + "/" + kNames[i] + ".toml");
    if (!filter) {
      return filter.error();
    }
    filters[i] = std::move(*filter);
  }
  return filters;
}

}  // namespace sandbox
