// Payloads, as pid 1 of a sandbox reads them. The first byte says how many files came along as
// descriptors.

#include "sandbox/launcher/payload.h"

#include <cstring>
#include <string>

#include "fuzz.h"

FUZZ(payload, input) {
  namespace wire = sandbox::wire;
  fuzz::Input in(input);
  const uint32_t file_fds = in.Take<uint8_t>() % (wire::kMaxFileFds + 1);
  std::string bytes(in.TakeRest());
  bytes.shrink_to_fit();
  const auto within = [&](const char* at, size_t size) {
    return at >= bytes.data() && at + size <= bytes.data() + bytes.size();
  };
  sandbox::launcher::PayloadParser parser(bytes.data(), bytes.size(), file_fds);
  char** argv = nullptr;
  char** envp = nullptr;
  if (!parser.ReadStrings(&argv, &envp)) {
    return;
  }
  MUST(argv[0] != nullptr);
  for (char** list : {argv, envp}) {
    for (; *list != nullptr; ++list) {
      MUST(within(*list, std::strlen(*list) + 1));
    }
  }
  while (parser.files_left() > 0) {
    sandbox::launcher::PayloadParser::File file{};
    if (!parser.ReadFile(&file)) {
      return;
    }
    MUST(within(file.path, std::strlen(file.path) + 1));
    const std::string parts = "/" + std::string(file.path) + "/";
    for (const char* bad : {"//", "/./", "/../"}) {
      MUST(parts.find(bad) == std::string::npos);
    }
    MUST(file.content != nullptr ? within(file.content, file.size) : file.fd_index < file_fds);
  }
}
