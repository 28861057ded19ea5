#pragma once

#include <optional>
#include <string_view>

namespace job {

constexpr size_t kMaxVariableName = 128;

// What the name of a variable of a program's environment has to be and is not, in the words of an
// error message; nullopt when it is accepted. Refused are names that make a loader, a shell or an
// interpreter load code or change how it finds programs: what runs is what the job brings as files.
std::optional<std::string_view> VariableProblem(std::string_view name);

}  // namespace job
