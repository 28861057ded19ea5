#include "app/announce.h"

#include <boost/asio/ip/address.hpp>
#include <cstdio>

#include "base/log.h"

namespace app {

namespace asio = boost::asio;
using base::Log;
using base::LogLevel;

void Say(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

void AnnounceMachine(const Config& config, const Machine& machine,
                     const language::Registry& languages) {
  Say("  role:      " + config.role);
  Say("  confined:  " + (machine.confined.empty() ? "not yet" : machine.confined));
  Say("  store:     " + config.job_store +
      (config.job_store == "sqlite"  ? " in " + config.state_dir
       : config.job_store == "redis" ? " at " + config.redis_addr
                                     : ""));
  if (config.role == "api") {
    return;
  }
  Say("  isolation: " + (machine.isolation.empty() ? "none" : machine.isolation));
  for (const std::string& what : machine.not_limited) {
    Say("    not limited: " + what);
  }
  if (!machine.rootfs.path.empty()) {
    Say("  root:      " + machine.rootfs.path + " (" + std::to_string(machine.rootfs.files) +
        " files, fingerprint " + machine.rootfs.fingerprint + ")");
  }
  for (const language::Language& language : languages.all()) {
    Say("  language:  " + language.id + " " +
        (language.available ? language.version + " (" + language.tool + ")"
                            : "unavailable: " + language.unavailable_reason));
  }
}

void AnnounceAccess(const Config& config, const service::Keys& keys) {
  const bool open = !keys.required().value_or(true);
  Say(std::string("  access:    ") +
      (open ? "open to all who reach it: no API key is asked for"
            : "with an API key (" + std::to_string(keys.configured().size()) + " configured)"));
  boost::system::error_code error;
  const auto address = asio::ip::make_address(config.http_host, error);
  const bool loopback = error ? config.http_host == "localhost" : address.is_loopback();
  if (open && !loopback) {
    Log(LogLevel::kWarning,
        "the service is open: whoever reaches its address can run code; make a key with "
        "`sandboxd keys create`, or set HTTP_API_KEYS, or HTTP_HOST=127.0.0.1",
        {{"address", config.http_host}});
  }
}

}  // namespace app
