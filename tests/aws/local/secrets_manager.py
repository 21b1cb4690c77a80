"""As much of Secrets Manager as a function asks for."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def secrets_manager(secrets: Mapping[str, str]) -> Starlette:
    """The service, which gives out these secrets; their names are their ARNs."""

    async def answer(request: Request) -> Response:
        if request.headers["x-amz-target"] != "secretsmanager.GetSecretValue":
            return JSONResponse({"__type": "UnknownOperationException"}, 400)
        name = (await request.json())["SecretId"]
        if name not in secrets:
            return JSONResponse({"__type": "ResourceNotFoundException"}, 400)
        return JSONResponse({"ARN": name, "Name": name, "SecretString": secrets[name]})

    return Starlette(routes=[Route("/", answer, methods=["POST"])])
