#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sandbox/spec.h"
#include "sandbox/warm_program.h"
#include "sandbox/wire.h"

// What the client sends to the launcher (sandbox/wire.h), with its descriptors. Nothing here waits
// for anyone: what is written goes into memory.
namespace sandbox {

// A request with its descriptors. They travel in this order; one that is not valid
// does not.
struct Message {
  wire::Request request{};
  base::UniqueFd payload;
  base::UniqueFd
      stdin_fd;  // or the socket over which the terminal's master comes; then that is all
  base::UniqueFd stdout_fd;
  base::UniqueFd stderr_fd;
  base::UniqueFd input;  // stays here: the other end, when the input is live
  std::vector<std::shared_ptr<base::UniqueFd>> files;
};

// The request to run this. The streams for output are not in it yet, nor its id. kInvalidArgument
// when the launcher would refuse it: what it asks for is too much or holds a NUL.
base::Result<Message> EncodeRun(const Spec& spec, const std::vector<WarmProgram>& warm);

// One without descriptors; `detail` as wire::Request has it.
Message EncodeWord(wire::RequestType type, uint64_t id, uint32_t detail);

// The command of a program that is started ahead, as a payload without files. Errors as above.
base::Result<base::UniqueFd> EncodeCommand(
    const std::vector<std::string>& argv,
    const std::vector<std::pair<std::string, std::string>>& env);

// A memfd of our own; not valid, with errno, when there is none to be had.
base::UniqueFd Memfd(const char* name);

// From now on nobody can change what is in it. False with errno.
bool Seal(const base::UniqueFd& fd);

// Into a field of the wire, with its final NUL. False when it does not fit or holds a NUL.
template <typename Name>
bool CopyName(const std::string& text, Name* name) {
  if (text.size() >= name->size() || text.find('\0') != std::string::npos) {
    return false;
  }
  std::memcpy(name->data(), text.c_str(), text.size() + 1);
  return true;
}

}  // namespace sandbox
