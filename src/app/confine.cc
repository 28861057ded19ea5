#include "app/confine.h"

#include <linux/filter.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "linux/confine.h"
#include "sandbox/policy.h"
#include "store/redis_store.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILT_WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BUILT_WITH_SANITIZER 1
#endif
#endif

namespace app {
namespace {

using base::Result;

#ifdef BUILT_WITH_SANITIZER
constexpr bool kSanitizer = true;
#else
constexpr bool kSanitizer = false;
#endif

// What the resolver reads, and certificates. Folders, since files there are replaced by renaming.
constexpr const char* kSystemFolders[] = {
    "/etc",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/usr/share/ca-certificates",
};

constexpr uint16_t kDnsPort = 53;

Result<void> RestrictFiles(int abi, const Confinement& confinement) {
  std::vector<const char*> read(std::begin(kSystemFolders), std::end(kSystemFolders));
  for (const std::string& folder : confinement.read_folders) {
    read.push_back(folder.c_str());
  }
  read.push_back(nullptr);
  std::vector<const char*> write;
  for (const std::string& folder : confinement.write_folders) {
    write.push_back(folder.c_str());
  }
  write.push_back(nullptr);
  std::vector<uint16_t> listen = confinement.listen_ports;
  listen.push_back(0);
  std::vector<uint16_t> connect = confinement.connect_ports;
  connect.push_back(0);
  if (!linux::RestrictService(abi, {read.data(), write.data(), listen.data(), connect.data()})) {
    return base::SysError("confine the service with Landlock", errno);
  }
  return {};
}

Result<std::vector<sock_filter>> ReadPolicy(const std::string& policy) {
  const auto filter = sandbox::CompileFilter(policy);
  if (!filter) {
    return filter.error();
  }
  std::vector<sock_filter> program(BPF_MAXINSNS);
  const ssize_t size =
      ::pread(filter->get(), program.data(), program.size() * sizeof(sock_filter), 0);
  if (size <= 0) {
    return base::SysError("read the compiled " + policy, errno);
  }
  program.resize(static_cast<size_t>(size) / sizeof(sock_filter));
  return program;
}

}  // namespace

Confinement ConfinementFor(const Config& config) {
  Confinement out;
  out.seccomp_policy = config.seccomp_dir + "/service.toml";
  out.listen_ports = {config.http_port};
  if (config.job_store == "sqlite") {
    out.write_folders = {config.state_dir};
  } else if (config.role != "api") {
    out.write_folders = {config.compiled_dir};
  }
  if (config.job_store == "redis") {
    out.connect_ports = {kDnsPort};
    const auto addresses = store::ParseRedisAddresses(config.redis_addr);  // checked when read
    for (const store::RedisAddress& address : *addresses) {
      uint16_t port = 0;  // none for a Unix socket
      const std::string& text = address.port;
      if (std::from_chars(text.data(), text.data() + text.size(), port).ec == std::errc()) {
        out.connect_ports.push_back(port);
      }
    }
    if (const size_t slash = config.redis_tls_ca.rfind('/'); slash != std::string::npos) {
      out.read_folders.push_back(config.redis_tls_ca.substr(0, slash + 1));
    }
  }
  if (config.http_webhooks != "off" && config.role != "worker") {
    out.connect_ports.push_back(kDnsPort);
    out.connect_ports.insert(out.connect_ports.end(), config.http_webhook_ports.begin(),
                             config.http_webhook_ports.end());
    if (const size_t slash = config.http_webhook_ca.rfind('/'); slash != std::string::npos) {
      out.read_folders.push_back(config.http_webhook_ca.substr(0, slash + 1));
    }
  }
  return out;
}

Result<std::string> Confine(const Confinement& confinement) {
  if (kSanitizer) {
    return std::string("none: built with a sanitizer, whose runtime needs more");
  }
  auto program = ReadPolicy(confinement.seccomp_policy);
  if (!program) {
    return program.error();
  }
  std::string in_force = "seccomp";
  const int abi = linux::LandlockAbi();
  if (abi > 0) {
    if (auto restricted = RestrictFiles(abi, confinement); !restricted) {
      return restricted.error();
    }
    in_force += ", landlock abi " + std::to_string(abi);
  }
  if (!linux::LoadSeccomp({static_cast<uint16_t>(program->size()), program->data()},
                          linux::SeccompLog::kRefusals)) {
    return base::SysError("confine the service with seccomp", errno);
  }
  return in_force;
}

}  // namespace app
