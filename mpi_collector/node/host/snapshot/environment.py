"""Environment variables that say how a job was placed and tuned."""

import re

from ..secrets import HIDDEN, hide_in_settings, is_secret_variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

#: lists, with commas, the variables that the launch of the collectors added: the job has none of
#: them
OWN_VARIABLE = "MPI_COLLECTOR_OWN"
_MAX_CHARS = 200  #: of a value; the rest is cut off

#: variables of schedulers, launchers and libraries that hold no secret
_NAMES = frozenset(
    "SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_JOB_NODELIST SLURM_JOB_NUM_NODES"
    " SLURM_NNODES SLURM_NTASKS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE"
    " SLURM_JOB_CPUS_PER_NODE SLURM_TASKS_PER_NODE SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU"
    " SLURM_STEP_ID SLURM_CLUSTER_NAME SLURM_MPI_TYPE SLURM_CPU_BIND SLURM_GPUS SLURM_GPUS_ON_NODE"
    " PBS_JOBID PBS_JOBNAME PBS_QUEUE PBS_NODEFILE PBS_NUM_NODES PBS_NUM_PPN PBS_NCPUS"
    " LSB_JOBID LSB_JOBNAME LSB_QUEUE LSB_HOSTS LSB_MCPU_HOSTS LSB_DJOB_NUMPROC"
    " OMP_NUM_THREADS OMP_PLACES OMP_PROC_BIND KMP_AFFINITY MKL_NUM_THREADS"
    " CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES"
    " MALLOC_ARENA_MAX LANG LC_ALL TZ CONDA_DEFAULT_ENV LOADEDMODULES DARSHAN_LOGPATH"
    " OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_LOCAL_SIZE PMI_SIZE PALS_SIZE"
    " I_MPI_FABRICS I_MPI_PIN I_MPI_PIN_DOMAIN I_MPI_OFI_PROVIDER FI_PROVIDER"
    " UCX_TLS UCX_NET_DEVICES UCX_IB_GID_INDEX MPICH_OFI_NIC_POLICY ROMIO_HINTS LUSTRE_JOBID_VAR"
    " NCCL_SOCKET_IFNAME NCCL_IB_HCA NCCL_DEBUG GLOO_SOCKET_IFNAME"
    " BUCKET AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_REGION AWS_DEFAULT_REGION".split()
)
#: variables of which only it is recorded that they are set
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
#: tuning variables, by pattern. Of Open MPI only the frameworks that move data or place ranks: its
#: launcher keeps keys and addresses under the same prefix
_TUNING = re.compile(
    r"(OMPI_MCA_(btl|pml|mtl|coll|osc|io|fs|fbtl|fcoll|sharedfp|mpi|opal|hwloc|smsc|accelerator"
    r"|rmaps)|PRTE_MCA_(rmaps|hwloc)|UCX|MPICH_(OFI|MPIIO|GPU))(_[A-Z0-9_a-z]+)?\Z"
)


def environment(variables: "Mapping[str, str]") -> "dict[str, str]":
    """Return the ``variables`` that are on the allow-list, with secrets in their values hidden."""
    out = {}
    own = variables.get(OWN_VARIABLE, "").split(",")
    for name in sorted(set(variables).difference(own)):
        if name in _CREDENTIALS and variables[name]:
            out[name] = HIDDEN
        elif (name in _NAMES or _TUNING.match(name)) and not is_secret_variable(name):
            out[name] = hide_in_settings(str(variables[name]))[:_MAX_CHARS]
    return out
