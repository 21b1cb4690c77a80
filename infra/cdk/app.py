"""The app of the AWS CDK that deploys what template.yaml deploys: ``make cdk ARGS=deploy`` runs it."""

from pathlib import Path

from aws_cdk import App

from spanlake_cdk.context import InvalidContext, read
from spanlake_cdk.stack import Spanlake

ROOT = Path(__file__).resolve().parents[2]


def write(app: App) -> None:
    """Write the stack's templates into the app's output; its context has the settings."""
    try:
        context = read(app.node.get_all_context())
    except InvalidContext as error:
        raise SystemExit(f"spanlake: {error}") from None
    Spanlake(
        app,
        context.stack_name,
        context.settings,
        functions=ROOT / "functions",
        layers=ROOT / context.layers,
        tags=dict(context.tags),
        termination_protection=context.termination_protection,
    )
    app.synth()


def main() -> None:
    """Write the stack's templates to where the CDK's command line wants them."""
    write(App())


if __name__ == "__main__":
    main()
