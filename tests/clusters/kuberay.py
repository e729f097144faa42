"""The fields of KubeRay's resources that ours use, as its API reference (1.5.1 to 1.7.1) has them.

No package carries KubeRay's own schema. Pods are checked apart, by Kubernetes' schema.
"""

from typing import Any


def _record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": _TEXT}
_POD: dict[str, Any] = {"type": "object"}

_HEAD = _record(
    {"template": _POD, "rayStartParams": _TEXTS},
    {"serviceType": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}},
)
_WORKERS = _record(
    {"groupName": _TEXT, "minReplicas": _COUNT, "maxReplicas": _COUNT, "template": _POD},
    {"replicas": _COUNT, "rayStartParams": _TEXTS, "numOfHosts": _COUNT},
)
_AUTH = _record({"mode": {"enum": ["disabled", "token"]}}, {"secretName": _TEXT})


def _resource(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return _record(
        {
            "apiVersion": {"const": "ray.io/v1"},
            "kind": {"const": kind},
            "metadata": {"type": "object", "minProperties": 1},
            "spec": spec,
        }
    )


RAY_CLUSTER = _resource(
    "RayCluster",
    _record(
        {"headGroupSpec": _HEAD},
        {
            "rayVersion": _TEXT,
            "authOptions": _AUTH,
            "workerGroupSpecs": {"type": "array", "items": _WORKERS, "minItems": 1},
        },
    ),
)
RAY_JOB = _resource(
    "RayJob",
    _record(
        {"entrypoint": _TEXT},
        {
            "clusterSelector": _TEXTS,
            "metadata": _TEXTS,
            "runtimeEnvYAML": _TEXT,
            "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        },
    ),
)
