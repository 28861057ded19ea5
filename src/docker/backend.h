#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "docker/cli.h"
#include "docker/pool.h"
#include "language/language.h"
#include "sandbox/policy.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

// Runs jobs in containers: in long-lived ones by `docker exec`, or in single-use ones that wait
// ready.
namespace docker {

struct Options {
  bool single_use = false;
  std::string container;       // SANDBOX_CONTAINER
  bool container_set = false;  // by the operator: then it is used beside discovered ones
  LanguageContainers language_containers;
  bool discover = true;  // follow containers with the label sandbox.language
  std::string job_dir;
  std::string user;  // uid:gid of jobs
  std::string network;
  std::string image;                        // of single-use containers; empty: that of `container`
  std::string owner;                        // marks single-use containers
  int slots = 1;                            // of one container
  std::array<std::string, 2> filters;       // seccomp programs by sandbox::Profile
  std::function<void()> languages_changed;  // one has become available; may be empty
};

struct ContainerHealth {
  std::string name;
  std::vector<std::string> languages;  // that it can run at the moment
  std::string state;                   // "up", "down", "checking" or "draining"
  int slots = 0;
  int running = 0;
  std::string error;  // why it is not up, or what it lacks; may be empty
};

class Backend : public sandbox::Backend {
 public:
  // True once everything that was there at start has been looked at.
  virtual bool settled() const = 0;

  // Why nothing can run, as one text for the operator; empty when something can.
  virtual std::string Problem() const = 0;

  virtual std::vector<ContainerHealth> Health() const = 0;

  std::string_view isolation() const override { return "docker"; }
};

// Puts the supervisor into the job folder, which is made with what belongs into it, owned so that
// the jobs' user can use it. Returns the supervisor's path. Blocking; while the process still has
// its privileges.
base::Result<std::string> InstallSupervisor(const std::string& supervisor,
                                            const std::string& job_dir, const std::string& user);

// The programs of run.toml and compile.toml.
base::Result<std::array<std::string, 2>> ReadFilters(const sandbox::Filters& filters);

// Starts to look at containers at once; `settled` tells when that is done. Languages that
// containers turn out to have become available in `languages`, which must outlive the backend, as
// must the loop. `lost` is called once when the broker ends on its own.
std::unique_ptr<Backend> MakeBackend(boost::asio::io_context& loop, Options options, Broker broker,
                                     language::Registry& languages, std::function<void()> lost);

// The two kinds, for MakeBackend.
std::unique_ptr<Backend> MakeExecBackend(boost::asio::io_context& loop, Options options,
                                         Broker broker, language::Registry& languages,
                                         std::function<void()> lost);
std::unique_ptr<Backend> MakeSingleUseBackend(boost::asio::io_context& loop, Options options,
                                              Broker broker, language::Registry& languages,
                                              std::function<void()> lost);

}  // namespace docker
