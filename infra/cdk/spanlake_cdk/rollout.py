"""New versions of functions that take over bit by bit, by CodeDeploy."""

from collections.abc import Mapping

from aws_cdk import CfnCodeDeployLambdaAliasUpdate, CfnUpdatePolicy
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from spanlake_cdk.function import Function
from spanlake_cdk.included import Included
from spanlake_cdk.settings import Settings

_TAKEN_BACK = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")


class Rollout(Construct):
    """Has the aliases of functions follow new versions as the settings say, and go back when an alarm is raised."""

    def __init__(
        self, scope: Construct, name: str, settings: Settings, functions: Mapping[str, Function], alarms: Included
    ) -> None:
        super().__init__(scope, name)
        self._configuration = f"CodeDeployDefault.Lambda{settings.rollout}"
        self._alarms = alarms
        self._application = codedeploy.CfnApplication(
            self, "ServerlessDeploymentApplication", compute_platform="Lambda"
        )
        for function, found in functions.items():
            alias = found.alias.node.default_child
            assert isinstance(alias, lambda_.CfnAlias)
            update = CfnCodeDeployLambdaAliasUpdate(
                application_name=self._application.ref, deployment_group_name=self._group(function).ref
            )
            alias.cfn_options.update_policy = CfnUpdatePolicy(code_deploy_lambda_alias_update=update)

    def _group(self, function: str) -> codedeploy.CfnDeploymentGroup:
        property_ = codedeploy.CfnDeploymentGroup
        names = [self._alarms.output(name) for name in ("ApiFails", f"{function}Errors")]
        return property_(
            self,
            f"{function}FunctionDeploymentGroup",
            application_name=self._application.ref,
            service_role_arn=self._alarms.output("Role"),
            deployment_config_name=self._configuration,
            deployment_style=property_.DeploymentStyleProperty(
                deployment_type="BLUE_GREEN", deployment_option="WITH_TRAFFIC_CONTROL"
            ),
            alarm_configuration=property_.AlarmConfigurationProperty(
                enabled=True, alarms=[property_.AlarmProperty(name=name) for name in names]
            ),
            auto_rollback_configuration=property_.AutoRollbackConfigurationProperty(
                enabled=True, events=list(_TAKEN_BACK)
            ),
        )
