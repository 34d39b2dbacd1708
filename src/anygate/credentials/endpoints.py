"""Where the vendors' token services are, and through which proxies they are reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Endpoints:
    """Addresses without a slash at their end. An empty `aws_sts` is the service of the region asked for.

    `google_file` is the credentials file that the environment names, `google_folder` the folder of gcloud's settings.
    """

    azure: str = "https://login.microsoftonline.com"
    google_sts: str = "https://sts.googleapis.com/v1/token"
    google_token: str = "https://oauth2.googleapis.com/token"  # noqa: S105
    google_iam: str = "https://iamcredentials.googleapis.com/v1"
    google_metadata: str = "http://metadata.google.internal"
    aws_sts: str = ""
    azure_proxy: str = ""
    google_proxy: str = ""
    aws_proxy: str = ""
    google_file: Path | None = None
    google_folder: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], home: Path | None = None) -> Self:
        """Read the variables that the vendors' own tools and Envoy AI Gateway know."""

        def read(*names: str) -> str:
            return next((environment[name].strip().rstrip("/") for name in names if environment.get(name)), "")

        metadata = read("GCE_METADATA_HOST", "GCE_METADATA_ROOT")
        file, folder = read("GOOGLE_APPLICATION_CREDENTIALS"), read("CLOUDSDK_CONFIG")
        return cls(
            azure=read("AZURE_AUTHORITY_HOST") or cls.azure,
            google_metadata=f"http://{metadata}" if metadata else cls.google_metadata,
            aws_sts=read("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"),
            azure_proxy=read("AI_GATEWAY_AZURE_PROXY_URL"),
            google_proxy=read("AI_GATEWAY_GCP_AUTH_PROXY_URL"),
            aws_proxy=read("AI_GATEWAY_STS_PROXY_URL"),
            google_file=Path(file) if file else None,
            google_folder=Path(folder) if folder else (home or Path.home()) / ".config" / "gcloud",
        )

    def aws(self, region: str) -> str:
        """The security token service of a region."""
        if self.aws_sts:
            return self.aws_sts
        ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://sts.{region}.{ending}"
