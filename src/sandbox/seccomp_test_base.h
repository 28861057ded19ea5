#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

// What the tests and the fuzzer of the seccomp policies share: an interpreter of compiled filter
// programs, and a second opinion, computed from the TOML file without libseccomp.
namespace sandbox::testing {

// Runs a classic BPF program as the kernel does (kernel/seccomp.c, net/core/filter.c) and returns
// its verdict; nullopt for a program that the kernel would have refused.
inline std::optional<uint32_t> Interpret(const std::vector<sock_filter>& program,
                                         const seccomp_data& data) {
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, BPF_MEMWORDS> memory{};
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& i = program[at];
    const uint32_t operand = BPF_SRC(i.code) == BPF_X ? x : i.k;
    switch (BPF_CLASS(i.code)) {
      case BPF_LD:
        if (BPF_MODE(i.code) == BPF_ABS && BPF_SIZE(i.code) == BPF_W && i.k % 4 == 0 &&
            i.k < sizeof(data)) {
          std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, sizeof(a));
        } else if (BPF_MODE(i.code) == BPF_IMM) {
          a = i.k;
        } else if (BPF_MODE(i.code) == BPF_MEM && i.k < memory.size()) {
          a = memory[i.k];
        } else {
          return std::nullopt;
        }
        break;
      case BPF_LDX:
        if (BPF_MODE(i.code) == BPF_IMM) {
          x = i.k;
        } else if (BPF_MODE(i.code) == BPF_MEM && i.k < memory.size()) {
          x = memory[i.k];
        } else {
          return std::nullopt;
        }
        break;
      case BPF_ST:
      case BPF_STX:
        if (i.k >= memory.size()) {
          return std::nullopt;
        }
        memory[i.k] = BPF_CLASS(i.code) == BPF_ST ? a : x;
        break;
      case BPF_ALU:
        switch (BPF_OP(i.code)) {
          case BPF_AND:
            a &= operand;
            break;
          case BPF_OR:
            a |= operand;
            break;
          case BPF_XOR:
            a ^= operand;
            break;
          default:
            return std::nullopt;  // libseccomp writes no other
        }
        break;
      case BPF_JMP: {
        bool taken = false;
        switch (BPF_OP(i.code)) {
          case BPF_JA:
            at += i.k;
            continue;
          case BPF_JEQ:
            taken = a == operand;
            break;
          case BPF_JGT:
            taken = a > operand;
            break;
          case BPF_JGE:
            taken = a >= operand;
            break;
          case BPF_JSET:
            taken = (a & operand) != 0;
            break;
          default:
            return std::nullopt;
        }
        at += taken ? i.jt : i.jf;
        break;
      }
      case BPF_RET:
        return BPF_RVAL(i.code) == BPF_A ? a : i.k;
      case BPF_MISC:
        (BPF_MISCOP(i.code) == BPF_TAX ? x : a) = BPF_MISCOP(i.code) == BPF_TAX ? a : x;
        break;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;  // ran off the end
}

inline std::vector<sock_filter> ReadProgram(int fd) {
  std::vector<sock_filter> program(BPF_MAXINSNS + 1);
  const ssize_t n = ::pread(fd, program.data(), program.size() * sizeof(sock_filter), 0);
  program.resize(n > 0 ? static_cast<size_t>(n) / sizeof(sock_filter) : 0);
  return program;
}

// A policy file as the words of it say, in the simplest way that could be right.
struct Policy {
  struct Arg {
    unsigned index;
    uint32_t mask;
    uint32_t value;
  };

  struct Rule {
    std::string reason;
    std::vector<std::string> names;
    std::vector<uint32_t> calls;  // the numbers of those names that x86-64 has
    std::vector<Arg> args;
    uint32_t action;
  };

  uint32_t fallback = 0;
  std::vector<Rule> rules;

  static uint32_t Action(const std::string& word) {
    static const std::map<std::string, uint32_t> kWords = {
        {"allow", SECCOMP_RET_ALLOW},           {"kill", SECCOMP_RET_KILL_PROCESS},
        {"EPERM", SECCOMP_RET_ERRNO | EPERM},   {"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
        {"EACCES", SECCOMP_RET_ERRNO | EACCES}, {"EAFNOSUPPORT", SECCOMP_RET_ERRNO | EAFNOSUPPORT}};
    return kWords.at(word);
  }

  // Names and numbers as the kernel's own header has them.
  static const std::map<std::string, uint32_t>& Numbers() {
    static const auto* numbers = [] {
      auto* made = new std::map<std::string, uint32_t>;
      std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
      for (std::string line; std::getline(header, line);) {
        std::istringstream words(line);
        std::string define;
        std::string name;
        uint32_t number = 0;
        if (words >> define >> name >> number && define == "#define" && name.starts_with("__NR_")) {
          (*made)[name.substr(5)] = number;
        }
      }
      return made;
    }();
    return *numbers;
  }

  static Policy Read(const std::string& file) {
    const toml::table root = toml::parse_file(file);
    Policy policy;
    policy.fallback = Action(root["default"].value_or(std::string("ENOSYS")));
    for (const toml::node& node : *root["rule"].as_array()) {
      const toml::table& table = *node.as_table();
      Rule rule{table["reason"].value_or(std::string()), {}, {}, {}, 0};
      rule.action = Action(table["action"].value_or(std::string("allow")));
      for (const toml::node& call : *table["calls"].as_array()) {
        rule.names.push_back(call.value_or(std::string()));
        const auto number = Numbers().find(rule.names.back());
        if (number != Numbers().end()) {
          rule.calls.push_back(number->second);
        }
      }
      if (const toml::array* args = table["args"].as_array()) {
        for (const toml::node& item : *args) {
          const toml::table& arg = *item.as_table();
          rule.args.push_back({static_cast<unsigned>(arg["index"].value_or(int64_t{99})),
                               static_cast<uint32_t>(arg["mask"].value_or(int64_t{0xFFFFFFFF})),
                               static_cast<uint32_t>(arg["value"].value_or(int64_t{0}))});
        }
      }
      policy.rules.push_back(std::move(rule));
    }
    return policy;
  }

  static bool Holds(const Rule& rule, const seccomp_data& data) {
    for (const Arg& arg : rule.args) {
      if ((static_cast<uint32_t>(data.args[arg.index]) & arg.mask) != arg.value) {
        return false;
      }
    }
    return true;
  }

  uint32_t Decide(const seccomp_data& data) const {
    constexpr uint32_t kX32 = 0x40000000;
    const auto number = static_cast<uint32_t>(data.nr);
    if (data.arch != AUDIT_ARCH_X86_64) {
      return SECCOMP_RET_KILL_PROCESS;
    }
    // -1 is no call at all: what a tracer writes to skip one. libseccomp leaves it to the default.
    if (number >= kX32 && number != 0xFFFFFFFF) {
      return SECCOMP_RET_KILL_PROCESS;
    }
    for (const Rule& rule : rules) {
      for (const uint32_t call : rule.calls) {
        if (call == number && Holds(rule, data)) {
          return rule.action;
        }
      }
    }
    return fallback;
  }
};

}  // namespace sandbox::testing
