// System calls with any architecture and arguments: the compiled policies against a second reading
// of the TOML files that does not know libseccomp.

#include <cstring>

#include "fuzz.h"
#include "sandbox/policy.h"
#include "sandbox/seccomp_test_base.h"

namespace {

struct Loaded {
  sandbox::testing::Policy policy;
  std::vector<sock_filter> program;
};

const std::vector<Loaded>& Policies() {
  static const auto* policies = [] {
    auto* made = new std::vector<Loaded>;
    for (const char* name : {"run", "compile", "init", "service"}) {
      const std::string file = std::string(SOURCE_DIR) + "/config/seccomp/" + name + ".toml";
      const auto filter = sandbox::CompileFilter(file);
      MUST(filter);
      made->push_back(
          {sandbox::testing::Policy::Read(file), sandbox::testing::ReadProgram(filter->get())});
    }
    return made;
  }();
  return *policies;
}

}  // namespace

FUZZ(seccomp, input) {
  fuzz::Input in(input);
  const Loaded& loaded = Policies()[in.Take<uint8_t>() % Policies().size()];
  const auto kind = in.Take<uint8_t>();
  seccomp_data data{};
  data.arch = kind % 8 == 0 ? in.Take<uint32_t>() : AUDIT_ARCH_X86_64;
  data.nr = static_cast<int>(kind % 8 == 1 ? in.Take<uint32_t>() : in.Take<uint16_t>() % 512U);
  data.instruction_pointer = in.Take<uint64_t>();
  for (auto& arg : data.args) {
    arg = in.Take<uint64_t>();
  }
  const auto verdict = sandbox::testing::Interpret(loaded.program, data);
  MUST(verdict && *verdict == loaded.policy.Decide(data));
}
